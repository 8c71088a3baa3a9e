"""VERIFY.html: one file that checks a package where it lies, with no network and nothing installed.

The same page lies in each package, and with the controller's keys in it where the controller publishes it (`rightful keys --page`). The one
in a package can be forged with the package, so that it finds damage; the published one finds forgery.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources

import msgspec

from rightful.package.minisign import PublicKey

PATH = "VERIFY.html"

_SCRIPTS = ("sha256.js", "blake2b.js", "zip.js", "check.js", "main.js")
"""In this order they are one script."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '{script_hash}'; style-src '{style_hash}'; \
base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="Rightful">
<title>Check a package</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>Is this package whole, and unchanged?</h1>
<p>Drop the package's folder, or the ZIP file of it, anywhere on this page. It is read in this browser and goes nowhere else: the page can't
reach any network.</p>
<div id="drop">
<label for="folder">Folder</label>
<input id="folder" type="file" webkitdirectory>
<label for="zip">or ZIP file</label>
<input id="zip" type="file" accept=".zip,application/zip">
<label for="key">The controller's public key (RW…), if you have it</label>
<input id="key" type="text" autocomplete="off" spellcheck="false">
<p id="known"></p>
</div>
<p id="status" role="status"></p>
<div id="result"></div>
<p><small>It compares each entry with its SHA-256, and checks the signature (Ed25519) of receipt.json, which vouches for all of it. A forger
could put a changed copy of this page into a package: whoever wants to be sure takes the page from the controller, or uses
<code>rightful verify</code> or minisign.</small></p>
<noscript><p>This page needs JavaScript. README.txt says how to check the package without it.</p></noscript>
</main>
<script type="application/json" id="keys">{keys}</script>
<script>{script}</script>
</body>
</html>
"""


def format_page(keys: Sequence[PublicKey] = ()) -> bytes:
    """Return the page; keys that are given count as the controller's."""
    head, tail = _frame()
    return head + msgspec.json.encode([key.text for key in keys]) + tail


@cache
def _frame() -> tuple[bytes, bytes]:
    """Return what stands before the keys and after them."""
    style = _read("page.css")
    script = f'(() => {{\n"use strict";\n{"".join(map(_read, _SCRIPTS))}}})();\n'
    page = _PAGE.format(style=style, style_hash=_csp_hash(style), script=script, script_hash=_csp_hash(script), keys="\0")
    head, _, tail = page.partition("\0")
    return head.encode(), tail.encode()


def _read(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _csp_hash(text: str) -> str:
    """Return what a content security policy calls an inline element by (CSP3 section 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
