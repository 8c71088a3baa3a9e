"""Logging, ours and every library's: one handler on stderr, one level, and a last net for secrets.

RIGHTFUL_LOG_LEVEL (debug, info, warning, error; default info) is the level of every logger: libraries cannot be louder or quieter.
RIGHTFUL_LOG_FORMAT (json, console) is the form; left out, it is console on a terminal and JSON anywhere else.
"""

import logging
import math
import sys
import threading
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from rightful.errors import ConfigurationError
from rightful.faults import describe
from rightful.redaction import printable, redact

LEVEL_VARIABLE = "RIGHTFUL_LOG_LEVEL"
FORMAT_VARIABLE = "RIGHTFUL_LOG_FORMAT"
LEVELS = ("debug", "info", "warning", "error", "critical")
FORMATS = ("json", "console")

Event = MutableMapping[str, Any]

_OWN_LINES = frozenset({"exception", "stack"})
"""What structlog shows on lines of its own on a terminal, which would look like events."""


def configure(environ: Mapping[str, str], *, stream: TextIO | None = None) -> None:
    """Set logging up for this process; may be called again.

    Raises:
        ConfigurationError: one of the two variables has a value that means nothing.
    """
    level = _choice(environ, LEVEL_VARIABLE, LEVELS, "info")
    out = stream or sys.stderr
    form = _choice(environ, FORMAT_VARIABLE, FORMATS, "console" if out.isatty() else "json")
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(shared, form, colors=out.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for logger in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):  # the others are placeholders
            logger.handlers.clear()
            logger.setLevel(logging.NOTSET)
            logger.propagate, logger.disabled = True, False
    threading.excepthook = _tell_end_of_thread  # the system's own prints the error's text
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _choice(environ: Mapping[str, str], name: str, known: tuple[str, ...], default: str) -> str:
    value = environ.get(name, "").strip().lower() or default
    if value not in known:
        raise ConfigurationError(f"{name} has a value that means nothing", code="LogSettingInvalid", hint=f"use one of {', '.join(known)}")
    return value


def _formatter(shared: list[Any], form: str, *, colors: bool) -> logging.Formatter:
    render: list[Any] = (
        [_tell_error, _clean, structlog.processors.JSONRenderer()]
        if form == "json"
        else [_tell_error, _clean, structlog.dev.ConsoleRenderer(colors=colors)]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )


def _clean(_logger: Any, _method: str, event: Event) -> Event:
    """Redact and escape every value of an event."""
    return {printable(redact(str(key))): _clean_value(value) for key, value in event.items()}


def _tell_error(_logger: Any, _method: str, event: Event) -> Event:
    """Tell an error by its type and place: its text may hold anything that was being worked on, whichever library logs it."""
    found = event.pop("exc_info", None)
    error = found[1] if isinstance(found, tuple) else found if isinstance(found, BaseException) else sys.exc_info()[1] if found else None
    if error is not None:
        event.setdefault("error", describe(error))
    for name in _OWN_LINES & event.keys():
        event[f"{name}_"] = event.pop(name)
    return event


def _tell_end_of_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        name = arguments.thread.name if arguments.thread is not None else ""
        structlog.get_logger(__name__).error("a thread ended with an error", thread=name, error=describe(arguments.exc_value))


def _clean_value(value: Any) -> Any:
    if isinstance(value, bool | int) or value is None or (isinstance(value, float) and math.isfinite(value)):  # JSON has no NaN
        return value
    if isinstance(value, Mapping):
        return {_clean_value(str(key)): _clean_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean_value(item) for item in value]
    return printable(redact(value if isinstance(value, str) else repr(value)))
