"""What the pages of a package bring along: styles, scripts and data, each allowed by the page's content security policy."""

import base64
import hashlib
from importlib import resources
from typing import Any

import msgspec

_IN_HTML = {
    character.encode(): escape.encode()
    for character, escape in {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}.items()
}
"""What could end a script element, or begin a comment in it. In JSON these stand in strings only, where the escape means the same."""


def data(value: Any) -> bytes:
    """Write a value as the content of a script element of type application/json."""
    text = msgspec.json.encode(value)
    for character, escape in _IN_HTML.items():
        text = text.replace(character, escape)
    return text


def csp_hash(text: str) -> str:
    """Return what a content security policy calls an inline element by (CSP3 section 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def script(*files: tuple[str, str]) -> str:
    """Make one script of files of packages: (package, name), in their order."""
    return f'(() => {{\n"use strict";\n{"".join(read(package, name) for package, name in files)}}})();\n'


def read(package: str, name: str) -> str:
    """Return a file that lies beside a package's modules."""
    return (resources.files(package) / name).read_text(encoding="utf-8")
