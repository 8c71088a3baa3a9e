"""How an API is reached: its host, what lets somebody in, and how it is asked; and what of that can be judged without asking."""

import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from rightful.setting_problem import SettingProblem
from rightful.webapi import assertion
from rightful.webapi.assertion import AssertionSettings

TARGET = re.compile(r"/[A-Za-z0-9._~:/?@!$&'()*+,;=%-]*")
"""The characters of a path and a query string (RFC 3986)."""

_VISIBLE = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_HALF = re.compile("[\ud800-\udfff]")
_NO_HALF = ("has half of a surrogate pair in it", "write whole characters")
_FIELD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PARAMETERS_OF_OURS = frozenset({"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope"})
_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})


class OAuthSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a token is fetched: OAuth 2.0 client credentials (RFC 6749 4.4)."""

    token_url: str = ""
    """The token endpoint: `https://login.contoso.example/oauth2/token`; `http` on loopback alone. The secret is sent nowhere else."""
    client_id: str = ""
    """Who asks, as the endpoint knows it."""
    client_secret: str = ""
    """By `{file: PATH}` or `${NAME}`; or `assertion`."""
    assertion: AssertionSettings = AssertionSettings()
    """How the client signs instead of showing a secret (RFC 7523, `private_key_jwt`)."""
    scope: str = ""
    """What the token is for, where the endpoint asks for it; several with blanks between them."""
    parameters: dict[str, str] = {}
    """What else the endpoint wants to have in the request: `{audience: https://api.contoso.example}`."""
    client_auth: Literal["body", "header"] = "body"
    """Where client_id and client_secret are sent, where there is a secret: `body`, or `header` (HTTP Basic, RFC 6749 2.3.1)."""

    def __repr__(self) -> str:
        """Leave everything out: there is a secret in it."""
        return "OAuthSettings()"


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings of whoever asks an API say of reaching it; they document it."""

    url: str
    """Scheme, host and port."""
    token: str = ""
    user: str = ""
    password: str = ""
    oauth2: OAuthSettings = OAuthSettings()
    headers: dict[str, str] = {}
    content_hosts: tuple[str, ...] = ()
    """Hosts that content may be fetched from; they get no access."""
    requests_per_second: float
    timeout_s: float
    """For a whole answer."""
    answer_mib: int
    has_traceparent: bool = False
    """Whether it is told in whose trace it is asked."""

    def __repr__(self) -> str:
        """Leave everything out: there are secrets in it."""
        return "Access()"


def problems(access: Access) -> Iterator[SettingProblem]:
    """Yield what is wrong with the address and with what lets somebody in, by the names that they have here."""
    if wrong := url_problem(access.url):
        yield ("url",), wrong, "write for instance https://api.contoso.example"
    yield from _access_problems(access)


def _access_problems(access: Access) -> Iterator[SettingProblem]:
    if access.token and (access.user or access.password):
        yield ("token",), "stands beside user and password", "keep one of them"
    if ":" in access.user or (access.password and not access.user):
        yield ("user",), "is missing or has a colon in it", "RFC 7617 knows no way to send that"
    if access.token and not _VISIBLE.fullmatch(access.token):
        yield ("token",), "has characters that no header can carry", "see whether the secret's file holds the secret alone"
    if access.oauth2 != OAuthSettings():
        if access.token or access.user or any(name.lower() == "authorization" for name in access.headers):
            yield ("oauth2",), "stands beside another way to be let in", "keep one of oauth2, token, and user with password"
        yield from oauth_problems(access.oauth2)
    for name, text in (("user", access.user), ("password", access.password)):
        if _HALF.search(text):
            yield (name,), *_NO_HALF
    for name, value in access.headers.items():
        if not _FIELD.fullmatch(name) or name.lower() in _OURS or not _VISIBLE.fullmatch(value):
            yield ("headers", name), "is no header that can be sent", "letters, digits and - in its name, visible ASCII in its value"


def oauth_problems(said: OAuthSettings) -> Iterator[SettingProblem]:
    """Yield what is wrong with `oauth2`, where something is said there."""
    yield from _client_problems(said)
    origin, path = re.fullmatch(r"([^/]*//[^/?#]*)?(.*)", said.token_url, re.DOTALL).groups()  # type: ignore[union-attr]  # it matches all
    if said.token_url and (url_problem(origin or "") or not TARGET.fullmatch(path or "/")):
        yield (
            ("oauth2", "token_url"),
            "is not an address that a secret could be sent to",
            "write for instance https://login.contoso.example/token",
        )
    for name, text in (
        ("client_id", said.client_id),
        ("client_secret", said.client_secret),
        ("scope", said.scope),
        ("assertion", said.assertion.key_id + said.assertion.audience),
    ):
        if _HALF.search(text):
            yield ("oauth2", name), *_NO_HALF
    for name, text in said.parameters.items():
        if _HALF.search(name + text):
            yield ("oauth2", "parameters", name), *_NO_HALF
    for name in _PARAMETERS_OF_OURS & said.parameters.keys():
        yield ("oauth2", "parameters", name), "is sent anyway", "leave it out"


def _client_problems(said: OAuthSettings) -> Iterator[SettingProblem]:
    signs = said.assertion != AssertionSettings()
    if not (said.client_id and (said.client_secret or signs) and said.token_url):
        yield ("oauth2",), "is not whole", "it needs token_url, client_id, and client_secret or assertion"
    if signs:
        if said.client_secret:
            yield ("oauth2", "client_secret"), "stands beside assertion", "keep one of them"
        for path, message, hint in assertion.problems(said.assertion):
            yield ("oauth2", "assertion", *path), message, hint


def url_problem(url: str) -> str:
    """Say what is wrong with the address of a host that is asked; nothing where it is right."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in {"https", "http"} or not parts.hostname or port == 0 or not url.isascii():
        return "is not https://HOST or https://HOST:PORT"
    if parts.username is not None or parts.path not in {"", "/"} or "?" in url or "#" in url:
        return "has more in it than scheme, host and port"
    is_loopback = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    return "" if parts.scheme == "https" or is_loopback else "is http: what it answers could be read on the way"
