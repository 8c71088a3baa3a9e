"""Whatever a caller sends as a location: a location, or a documented refusal, and never the secret in anything shown."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from urllib.parse import quote, urlencode

from hypothesis import given
from hypothesis import strategies as st

from rightful.addresses import is_reachable
from rightful.errors import InvalidRequest
from rightful.storage.entry_path import split_entry_path
from rightful.storage.location import ContainerLocation, Location, StoragePolicy, parse_location
from rightful.storage.sas import parse_sas_url

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
POLICY = StoragePolicy(allow=("*.blob.core.windows.net", "127.0.0.1:10000"), accounts={"Named": "file:///var/exports"})
CODES = {
    "StorageLocationInvalid",
    "SharedAccessSignatureTokenInvalid",
    "StorageLocationNotServiceSAS",
    "StorageLocationNotAzureBlob",
    "StorageLocationNeedsWriteAddPermissions",
    "StorageLocationShouldNotAllowReadAccess",
    "StorageLocationShouldNotAllowListAccess",
}
MARK = "SECRETSIGNATURE"

containers = st.from_regex(r"[a-z0-9](-?[a-z0-9]){2,30}", fullmatch=True)
accounts = st.from_regex(r"[a-z0-9]{3,24}", fullmatch=True)
permissions = st.sets(st.sampled_from("racwdxltmeop"), min_size=1).map("".join)
signatures = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40).map(lambda text: MARK + text)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)).map(lambda at: f"{at:%Y-%m-%dT%H:%M:%SZ}")  # noqa: DTZ001 - hypothesis wants naive bounds


fields_of_a_sas = st.fixed_dictionaries(
    {"sv": st.just("2021-12-02"), "sr": st.just("c"), "sp": permissions, "se": moments, "sig": signatures}, optional={"st": moments}
)


@given(account=accounts, container=containers, fields=fields_of_a_sas)
def test_what_was_written_is_read(account: str, container: str, fields: dict[str, str]) -> None:
    query = urlencode(fields)
    for text in (
        f"https://{account}.blob.core.windows.net/{container}?{query}",
        f"http://127.0.0.1:10000/{account}/{container}?{query}",
    ):
        sas = parse_sas_url(text)
        assert (sas.container, sas.permissions) == (container, frozenset(fields["sp"]))
        assert sas.expires_at == datetime.fromisoformat(fields["se"])
        assert sas.starts_at == (datetime.fromisoformat(fields["st"]) if "st" in fields else None)
        assert sas.query == query
        assert sas.text == text
        assert sas.target("a/b").startswith(f"{sas.account_path}/{container}/a/b?")
        assert MARK not in f"{sas!r}{sas}{sas.display}{sas.container_key}{sas.origin}"


hosts = st.sampled_from(
    [
        "contoso.blob.core.windows.net",
        "127.0.0.1:10000",
        "127.1",
        "0x7f000001",
        "2130706433",
        "[::1]",
        "evil.example",
        "\uff11\uff12\uff17.0.0.1",
        "a@b",
        "",
    ]
)
parts = st.sampled_from(
    ["sv=2021-12-02", "sr=c", "sr=b", "sp=cw", "sp=rl", "se=2027-01-01", "se=2020-01-01", "st=2030-01-01", "ss=b", "srt=co", "si=policy"]
) | st.sampled_from(
    ["skoid=a", "ske=2026-06-01", f"sig={MARK}", f"SIG={MARK}", f"s%69g={MARK}", "comp=list", "%ff=1", "=", "&", "#", "\n", "é", " "]
)
shaped = st.builds(
    lambda scheme, host, path, query: f"{scheme}{host}{path}?{'&'.join(query)}",
    st.sampled_from(["https://", "http://", "HTTPS://", "file://", "//", ""]),
    hosts,
    st.sampled_from(["/exports", "/account/exports", "/", "", "/exports/blob", "/../exports", "/%2e%2e/exports", "/exports/"]),
    st.lists(parts, max_size=9),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | shaped,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def parse_or_refusal(value: object, policy: StoragePolicy) -> Location | InvalidRequest:
    try:
        return parse_location(value, policy, now=NOW)
    except InvalidRequest as error:
        return error


@given(value=anything | shaped, checks=st.sampled_from(["standard", "strict"]))
def test_hostile_location_is_accepted_or_refused_by_the_table(value: object, checks: str) -> None:
    policy = StoragePolicy(allow=POLICY.allow, accounts=POLICY.accounts, checks="strict" if checks == "strict" else "standard")
    location = parse_or_refusal(value, policy)
    if isinstance(location, InvalidRequest):
        assert location.code in CODES
        assert location.target == "storageLocation"
        assert MARK not in f"{location!r}{location}{location.hint}{location.__cause__}"
        return
    assert MARK not in f"{location!r}{location.display}{location.container_key}"
    if isinstance(location, ContainerLocation):
        assert location.sas.host in {"contoso.blob.core.windows.net", "127.0.0.1"}
        assert location.sas.scheme == "https" or location.is_host_named


@given(base=shaped, position=st.integers(0, 200), junk=st.text(min_size=1, max_size=3))
def test_url_with_something_pushed_in_never_leads_elsewhere(base: str, position: int, junk: str) -> None:
    text = base[:position] + junk + base[position:]
    try:
        location = parse_location(text, POLICY, now=NOW)
    except InvalidRequest:
        return
    if isinstance(location, ContainerLocation):
        host = location.sas.host
        assert host.endswith(".blob.core.windows.net") or (host, location.sas.port) == ("127.0.0.1", 10000)
        assert "\n" not in location.sas.target("a")


labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


@given(host=st.lists(labels, min_size=1, max_size=5).map(".".join), suffix=st.lists(labels, min_size=2, max_size=3).map(".".join))
def test_suffix_allows_names_below_it_and_no_others(host: str, suffix: str) -> None:
    policy = StoragePolicy(allow=(f"*.{suffix}",))

    def is_allowed(name: str) -> bool:
        try:
            parse_location(f"https://{name}/exports?sr=c&sp=c&se=2027-01-01&sig=x", policy, now=NOW)
        except InvalidRequest:
            return False
        return True

    is_name = not re.fullmatch("[0-9]+|0x[0-9a-f]*", suffix.rpartition(".")[2])  # else it is an address to some
    assert is_allowed(f"{host}.{suffix}") == is_name
    assert not is_allowed(suffix)
    assert not is_allowed(f"x{suffix}")
    assert is_allowed(host) == (is_name and host.endswith(f".{suffix}"))


@given(
    path=st.text(max_size=60)
    | st.lists(st.sampled_from(["a", "..", ".", "", "\x00", "é", "\\", "\x7f", "\u2028"]), max_size=6).map("/".join)
)
def test_entry_path_stays_below_its_root(path: str) -> None:
    try:
        segments = split_entry_path(path)
    except ValueError:
        return
    assert "/".join(segments) == path
    assert not {"", ".", ".."} & set(segments)
    target = parse_sas_url("https://a.blob.core.windows.net/exports?sr=c&sp=c&se=2027-01-01&sig=x").target(path)
    assert target == f"/exports/{quote(path)}?sr=c&sp=c&se=2027-01-01&sig=x"
    assert target.isascii()
    assert target.isprintable()


WRAPPINGS: dict[str, Callable[[int], int]] = {
    "mapped": lambda number: 0xFFFF << 32 | number,
    "compatible": lambda number: number,
    "translated": lambda number: 0xFFFF << 48 | number,
    "NAT64": lambda number: 0x64FF9B << 96 | number,
    "6to4": lambda number: 0x2002 << 112 | number << 80,
}


@given(number=st.integers(0, (1 << 32) - 1) | st.sampled_from([0x7F000001, 0x0A000001, 0xA9FEA9FE, 0xA83F8110, 0xC0000201, 0x14143C01]))
def test_address_that_wraps_another_is_as_reachable_as_that(number: int) -> None:
    expected = is_reachable(str(IPv4Address(number)))
    assert {name: is_reachable(str(IPv6Address(wrap(number)))) for name, wrap in WRAPPINGS.items()} == dict.fromkeys(WRAPPINGS, expected)


@given(address=st.ip_addresses())
def test_reachable_address_is_global_and_given_out(address: IPv4Address | IPv6Address) -> None:
    if is_reachable(str(address)) and isinstance(address, IPv6Address):
        is_wrapping = address in IPv6Network("64:ff9b::/96") or int(address) >> 64 == 0
        assert is_wrapping or (address in IPv6Network("2000::/3") and address not in IPv6Network("2001::/23"))
    elif is_reachable(str(address)):
        assert address.is_global
        assert not any((address.is_private, address.is_loopback, address.is_link_local, address.is_multicast, address.is_reserved))
