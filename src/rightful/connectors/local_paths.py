"""Local files in the connectors' settings: URLs, and patterns of paths.

In a pattern `*` and `?` stand for characters within a segment, `[…]` for one of several, `**` for any number of folders.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from rightful.errors import ConfigurationError
from rightful.setting_problem import SettingProblem

_CLASS_SPECIAL = re.compile(r"[\\\[\]^&~|]")


LOCAL_URL_HINT = "write file:///path, or a path that starts at the configuration's folder"


def local_path(url: str, folder: Path) -> Path:
    """Return the path that a `file:` URL, or a path relative to the configuration's folder, stands for. `?` and `#` are no delimiters."""
    problem = local_url_problem(url)
    if problem:
        raise ConfigurationError(f"url {problem}", hint=LOCAL_URL_HINT)
    _, found, rest = url.partition("://")
    if not found:
        return folder / url
    return Path(unquote(rest, errors="surrogateescape"))


def local_url_problem(url: str) -> str:
    """Say what is wrong with the URL of a local folder; nothing where it is one."""
    scheme, found, rest = url.partition("://")
    if not url:
        return "is empty"
    if found and scheme.lower() != "file":
        return "does not begin with file:///: this connector reads local files"
    return "names a host" if found and not rest.startswith("/") else ""


def path_matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return a test whether a relative path (`/` between segments) fits one of the patterns.

    A pattern without a slash is compared with the last segment, wherever it lies. Letter case counts, a leading dot is no exception.
    """
    compiled = [re.compile(_translate(pattern if "/" in pattern else f"**/{pattern}"), re.DOTALL) for pattern in patterns]
    return lambda path: any(pattern.fullmatch(path) for pattern in compiled)


PATTERN_HINT = "write a pattern such as **/*.pdf; a bracket stands for itself as [[]"


def pattern_problem(pattern: str) -> str:
    """Say what is wrong with a pattern; nothing where it is one. An empty one would stand for everything."""
    if not pattern.strip("/"):
        return "is an empty pattern"
    try:
        path_matcher([pattern])
    except re.error:
        return "is a pattern with brackets in which no characters stand, or in the wrong order"
    return ""


def patterns_problems(**patterns: Sequence[str]) -> Iterator[SettingProblem]:
    """Yield what is wrong with the patterns of each setting."""
    for name, several in patterns.items():
        for number, pattern in enumerate(several):
            if wrong := pattern_problem(pattern):
                yield (name, number), wrong, PATTERN_HINT


def has_wildcard(segment: str) -> bool:
    """Say whether a segment of a pattern may stand for several names."""
    return any(character in segment for character in "*?[")


def _translate(pattern: str) -> str:
    segments = pattern.strip("/").split("/")
    return "".join(_segment(segment, is_last=number == len(segments) - 1) for number, segment in enumerate(segments))


def _segment(segment: str, *, is_last: bool) -> str:
    if segment == "**":
        return ".*" if is_last else "(?:[^/]+/)*"
    text = "".join(map(_piece, re.findall(r"\[!?\]?[^\]]*\]|.", segment, re.DOTALL)))
    return text if is_last else text + "/"


def _piece(text: str) -> str:
    if text == "*":
        return "[^/]*"
    if text == "?":
        return "[^/]"
    if len(text) == 1:
        return re.escape(text)
    body = text[1:-1]
    if body in {"", "!"}:
        raise re.error("no character in brackets")
    negated = "^/" if body.startswith("!") else ""
    return f"[{negated}{_CLASS_SPECIAL.sub(_escaped, body.removeprefix('!'))}]"


def _escaped(found: re.Match[str]) -> str:
    return "\\" + found[0]
