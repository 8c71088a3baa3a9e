"""START-HERE.html: one file with its style, its code and its data, that may load the package's shards and nothing else."""

import hashlib
from collections.abc import Iterator
from functools import cache
from html import escape
from typing import Any

from rightful.language import ENGLISH
from rightful.package import inline
from rightful.package.catalogues import catalogues
from rightful.package.digest import Digest
from rightful.package.texts import texts

PATH = "START-HERE.html"
DOMAIN = "viewer"
"""Of its catalogues."""

_STYLES = ("base.css", "parts.css", "charts.css")
SCRIPTS = tuple(
    (__package__, name)
    for name in (
        "text.js",
        "dom.js",
        "language.js",
        "shards.js",
        "values.js",
        "search.js",
        "table.js",
        "statement.js",
        "chart.js",
        "activity.js",
        "times.js",
        "timeline.js",
        "overview.js",
        "source.js",
        "main.js",
    )
)
"""(package, name): in this order they are one script."""

_HEAD = """\
<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '{script_hash}' 'self'; style-src '{style_hash}'; \
img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="Rightful">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<noscript><p>{noscript}</p></noscript>
<script type="application/json" id="catalogues">{catalogues}</script>
<script type="application/json" id="overview">"""
_TAIL = """\
</script>
<script>{script}</script>
</body>
</html>
"""


def format_page(overview: dict[str, Any]) -> Iterator[bytes]:
    """Write START-HERE.html, which opens in the overview's language; the same overview gives the same bytes."""
    yield from measured_page(overview)[1]


def measured_page(overview: dict[str, Any]) -> tuple[Digest, tuple[bytes, ...]]:
    """Return START-HERE.html in pieces, and its digest; what stands before the data is hashed once for all packages of a language."""
    language = overview.get("language") or ENGLISH
    head, tail = _frame(language)
    pieces = (head, inline.data(overview), tail)
    hasher = _hashed_head(language).copy()
    for piece in pieces[1:]:
        hasher.update(piece)
    return Digest(sha256=hasher.hexdigest(), size_bytes=sum(map(len, pieces))), pieces


@cache
def _hashed_head(language: str) -> "hashlib._Hash":
    return hashlib.sha256(_frame(language)[0])


@cache
def _frame(language: str) -> tuple[bytes, bytes]:
    """Return what stands before the data and after it, the same in every package of a language."""
    style = "".join(inline.read(__package__, name) for name in _STYLES)
    script = inline.script(*SCRIPTS)
    said = texts(DOMAIN, language)
    noscript = escape(
        said.say(
            "Your personal data lies in the folder {folder}, and {readme} says what is what. This page shows it in tables, and needs"
            " JavaScript for that. It loads nothing from the network."
        )
    )
    head = _HEAD.format(
        language=language,
        title=escape(said.say("Your personal data")),
        noscript=noscript.format(folder='<a href="data/">data</a>', readme='<a href="README.txt">README.txt</a>'),
        catalogues=inline.data(catalogues(DOMAIN)).decode(),
        style=style,
        style_hash=inline.csp_hash(style),
        script_hash=inline.csp_hash(script),
    )
    return head.encode(), _TAIL.format(script=script).encode()
