"""How commands end."""

import enum


class Exit(enum.IntEnum):
    """Exit codes, the same for every command."""

    OK = 0
    FAILED = 1
    """It was tried and failed: the error says why."""
    USAGE = 2
    """The command was not understood; nothing was done."""
    INCOMPLETE = 3
    """A package is not finished."""
    INTERRUPTED = 130
    """Ctrl-C; what runs in the service goes on."""
