"""Which paths an entry may have: the last check before a path becomes a blob's name or a file's."""

LONGEST_PATH = 1024
"""Azure's limit for a blob's name, in characters."""

_FORBIDDEN_SEGMENTS = frozenset({"", ".", ".."})


def split_entry_path(path: str) -> tuple[str, ...]:
    """Return the segments of an entry's path.

    Raises:
        ValueError: the path is empty, absolute or too long, or has an empty, `.` or `..` segment, a backslash (Azure makes it a `/`),
            a control character or a lone surrogate. That is a fault in the program: paths are made safe before. The text holds no path.
    """
    segments = tuple(path.split("/"))
    if len(path) > LONGEST_PATH or not _FORBIDDEN_SEGMENTS.isdisjoint(segments):
        raise ValueError("an entry's path is empty, absolute, too long or leaves its place")
    if not path.isprintable() and any(_is_unsafe(character) for character in path):
        raise ValueError("an entry's path holds a control character")
    if "\\" in path:
        raise ValueError("an entry's path holds a backslash")
    return segments


def _is_unsafe(character: str) -> bool:
    return character < " " or "\x7f" <= character <= "\x9f" or "\ud800" <= character <= "\udfff"
