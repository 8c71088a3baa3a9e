"""START-HERE.html: one file with its style, its code and its data, that may load the package's shards and nothing else."""

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from rightful.package.viewer.catalogues import catalogues

PATH = "START-HERE.html"

_STYLES = ("base.css", "parts.css")
_SCRIPTS = ("text.js", "dom.js", "shards.js", "values.js", "search.js", "table.js", "overview.js", "source.js", "main.js")
"""In this order they are one script."""

_IN_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""What could end a script element, or begin a comment in it. In JSON these stand in strings only, where the escape means the same."""

_HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '{script_hash}' 'self'; style-src '{style_hash}'; \
img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="Rightful">
<title>Your personal data</title>
<style>{style}</style>
</head>
<body>
<noscript><p>Your personal data lies in the folder <a href="data/">data</a>, and <a href="README.txt">README.txt</a> says what is what.
This page shows it in tables, and needs JavaScript for that. It loads nothing from the network.</p></noscript>
<script type="application/json" id="catalogues">{catalogues}</script>
<script type="application/json" id="overview">"""
_TAIL = """\
</script>
<script>{script}</script>
</body>
</html>
"""


def format_page(overview: dict[str, Any]) -> Iterator[bytes]:
    """Write START-HERE.html; the same overview gives the same bytes."""
    head, tail = _frame()
    yield head
    yield _json(overview).encode()
    yield tail


def _json(value: dict[str, Any]) -> str:
    text = msgspec.json.encode(value).decode()
    for character, escape in _IN_HTML.items():
        text = text.replace(character, escape)
    return text


@cache
def _frame() -> tuple[bytes, bytes]:
    """Return what stands before the data and after it, the same in every package."""
    style = _read(_STYLES)
    script = f'(() => {{\n"use strict";\n{_read(_SCRIPTS)}}})();\n'
    head = _HEAD.format(catalogues=_json(catalogues()), style=style, style_hash=_csp_hash(style), script_hash=_csp_hash(script))
    return head.encode(), _TAIL.format(script=script).encode()


def _read(names: tuple[str, ...]) -> str:
    folder = resources.files(__package__)
    return "".join((folder / name).read_text(encoding="utf-8") for name in names)


def _csp_hash(text: str) -> str:
    """Return what a content security policy calls an inline element by (CSP3 section 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
