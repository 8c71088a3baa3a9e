"""A location that is accepted names the same host, port and container for other parsers: WHATWG's, as browsers have it, and Python's.

Where another one refuses what is accepted here, nobody is misled; where it reads another host, somebody could be.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightful.errors import InvalidRequest
from rightful.storage.location import ContainerLocation, StoragePolicy, parse_location
from rightful.storage.sas import SasUrl

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
POLICY = StoragePolicy(allow=("*.blob.core.windows.net", "127.0.0.1:10000", "[::1]:10000", "azurite:10000"))
SCRIPT = """
require('readline').createInterface({input: process.stdin}).on('line', line => {
  let url = null
  try { const {protocol, hostname, port, pathname, username, password, search, hash} = new URL(JSON.parse(line));
        url = {protocol, hostname, port, pathname, username, password, search, hash} } catch {}
  console.log(JSON.stringify(url))
})
"""
Ask = Callable[[str], dict[str, str] | None]

labels = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,8}[A-Za-z0-9])?", fullmatch=True) | st.sampled_from(
    ["xn--a", "xn--mnchen-3ya", "0x7f", "1", "XN--80AK6AA92E"]
)
hosts = st.lists(labels, min_size=1, max_size=3).map(lambda found: f"{'.'.join(found)}.Blob.core.windows.net")
origins = st.one_of(
    st.builds("{}://{}{}".format, st.sampled_from(["https", "HTTPS", "hTTps"]), hosts, st.sampled_from(["", ":443"])),
    st.sampled_from(
        ["http://127.0.0.1:10000/account", "HTTP://[::1]:10000/account", "https://[0:0::1]:10000/a-1", "http://AZURITE:10000/a"]
    ),
)
junk = st.sampled_from(
    [
        *"@/\\?#:.%;&=[]'\"|^`{}<> \t\n\r\x00\u00ad\u200b\u3002\uff0e\uff41\uff11",
        "%2f",
        "%5c",
        "%40",
        "%00",
        "..",
        "//",
        "xn--",
        ":80",
        "@evil.example",
    ]
)


def located(text: str) -> SasUrl | None:
    try:
        location = parse_location(text, POLICY, now=NOW)
    except InvalidRequest:
        return None
    assert isinstance(location, ContainerLocation)
    return location.sas


@pytest.fixture(scope="module")
def whatwg() -> Iterator[Ask]:
    with subprocess.Popen(["node", "-e", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        sent, answers = node.stdin, node.stdout

        def ask(text: str) -> dict[str, str] | None:
            sent.write(json.dumps(text) + "\n")
            sent.flush()
            answer: dict[str, str] | None = json.loads(answers.readline())
            return answer

        yield ask
        sent.close()


def check_agreement(sas: SasUrl, url: dict[str, str] | None) -> None:
    container = f"{sas.account_path}/{sas.container}"
    parts = urlsplit(sas.text)
    assert (parts.scheme, parts.username) == (sas.scheme, None)
    if ":" not in sas.host:  # urlsplit leaves an IPv6 address as it was written
        assert parts.hostname == sas.host
    assert (parts.port or 443) == sas.port
    assert (parts.path.rstrip("/"), parts.fragment) == (container, "")
    if url is not None:
        assert url["hostname"] == (f"[{sas.host}]" if ":" in sas.host else sas.host)
        assert int(url["port"] or 443) == sas.port
        assert (url["protocol"], url["pathname"].rstrip("/")) == (f"{sas.scheme}:", container)
        assert (url["username"], url["password"], url["hash"]) == ("", "", "")


texts = st.builds(
    "{}/exports{}?sr=c&sp=c&se=2099-01-01&sig=x&q{}".format,
    origins,
    st.sampled_from(["", "/"]),
    st.text("abcXYZ019-._~:/?[]@!$&'()*+,;=%", max_size=12),
)


@pytest.mark.node
@settings(max_examples=1000, deadline=None)
@given(text=texts, position=st.integers(0, 120), pushed=st.just("") | junk)
def test_accepted_location_is_read_alike_by_others(whatwg: Ask, text: str, position: int, pushed: str) -> None:
    text = text[:position] + pushed + text[position:]
    sas = located(text)
    if sas is not None:
        check_agreement(sas, whatwg(text))


@pytest.mark.node
@pytest.mark.parametrize(
    "origin", ["https://Contoso.blob.core.windows.net", "https://a.blob.core.windows.net:443", "http://[0::1]:10000/account"]
)
def test_plain_locations_are_accepted_and_others_read_them_too(whatwg: Ask, origin: str) -> None:
    text = f"{origin}/exports?sr=c&sp=c&se=2099-01-01&sig=x"
    sas, url = located(text), whatwg(text)
    assert sas is not None
    assert url is not None
    check_agreement(sas, url)
