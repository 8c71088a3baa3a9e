"""Rules for webhooks: addresses that are spelt plainly, secrets that sign, each address once."""

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from rightful import signing_secret
from rightful.config.model import WebhookSettings, is_loopback_host

_Complain = Callable[[str, str, str], None]


def check_webhooks(webhooks: Sequence[WebhookSettings], setting: str, complain: _Complain) -> None:
    """Every one can be posted to, and its events be trusted."""
    seen: set[str] = set()
    for number, webhook in enumerate(webhooks):
        here = f"{setting}[{number}]"
        _check_url(webhook.url, f"{here}.url", complain)
        if webhook.url in seen:
            complain(f"{here}.url", "stands there twice", "name each address once, with all its events")
        seen.add(webhook.url)
        if len(set(webhook.events)) < len(webhook.events):
            complain(f"{here}.events", "names an event twice", "write each once")
        try:
            signing_secret.parse(webhook.secret)
        except ValueError as error:
            hint = "write whsec_ and the base64 of 24 to 64 random bytes: `echo whsec_$(openssl rand -base64 32)`"
            complain(f"{here}.secret", str(error), hint)


def _check_url(url: str, setting: str, complain: _Complain) -> None:
    try:
        parts = urlsplit(url)
        is_usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_usable = False
    if not is_usable or not url.isascii() or not url.isprintable() or " " in url or parts.scheme not in {"http", "https"}:
        complain(setting, "is no https address", "write for instance https://hooks.contoso.example/rightful")
    elif parts.username is not None or parts.fragment:
        complain(setting, "holds a user or a fragment", "write https://HOST/PATH; the signature says who sends")
    elif parts.scheme == "http" and not is_loopback_host(parts.hostname or ""):
        complain(setting, "would be told in the clear", "write https; http is for this machine alone")
