"""VERIFY.html: one file that checks a package where it lies, with no network and nothing installed.

The same page lies in each package, and with the controller's keys in it where the controller publishes it (`rightful keys --page`). The one
in a package can be forged with the package, so that it finds damage; the published one finds forgery.
"""

from collections.abc import Sequence
from functools import cache
from html import escape

from rightful.language import ENGLISH
from rightful.package import inline, viewer
from rightful.package.catalogues import catalogues
from rightful.package.minisign import PublicKey
from rightful.package.texts import texts

PATH = "VERIFY.html"
DOMAIN = "verifier"
"""Of its catalogues."""

_SHARED = tuple((viewer.__name__, name) for name in ("text.js", "dom.js", "language.js"))
SCRIPTS = (*_SHARED, *((__package__, name) for name in ("sha256.js", "blake2b.js", "zip.js", "check.js", "main.js")))
"""In this order they are one script."""

_PAGE = """\
<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '{script_hash}'; style-src '{style_hash}'; \
base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="Rightful">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<noscript><p>{noscript}</p></noscript>
<script type="application/json" id="catalogues">{catalogues}</script>
<script type="application/json" id="settings">{settings}</script>
<script>{script}</script>
</body>
</html>
"""


def format_page(keys: Sequence[PublicKey] = (), *, language: str = "") -> bytes:
    """Return the page, which opens in a language (empty: in the browser's); keys that are given count as the controller's."""
    head, tail = _frame(language or ENGLISH)
    return head + inline.data({"keys": [key.text for key in keys], "language": language}) + tail


@cache
def _frame(language: str) -> tuple[bytes, bytes]:
    """Return what stands before the settings and after them."""
    said = texts(DOMAIN, language)
    style = inline.read(__package__, "page.css")
    script = inline.script(*SCRIPTS)
    page = _PAGE.format(
        language=language,
        title=escape(said.say("Check a package")),
        noscript=escape(said.say("This page needs JavaScript. README.txt says how to check the package without it.")),
        catalogues=inline.data(catalogues(DOMAIN)).decode(),
        style=style,
        style_hash=inline.csp_hash(style),
        script=script,
        script_hash=inline.csp_hash(script),
        settings="\0",
    )
    head, _, tail = page.partition("\0")
    return head.encode(), tail.encode()
