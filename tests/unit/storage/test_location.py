"""Which locations a caller may give: GRAPH's table of storage locations, as far as the text tells."""

from datetime import UTC, datetime

import pytest

from rightful.addresses import is_reachable
from rightful.errors import InvalidRequest
from rightful.storage.allow import find_rule, parse_rule
from rightful.storage.location import AccountLocation, ContainerLocation, StoragePolicy, find_location, parse_location

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOST = "contoso.blob.core.windows.net"
STANDARD = StoragePolicy(accounts={"MyStorageAccount": "file:///var/exports"})
STRICT = StoragePolicy(checks="strict")


def url(sp: str = "cw", *, host: str = HOST, path: str = "/exports", se: str = "2026-02-01", more: str = "&sr=c") -> str:
    return f"https://{host}{path}?sv=2021-12-02&sp={sp}&se={se}{more}&sig=c2VjcmV0"


def code_of(value: object, policy: StoragePolicy = STANDARD, needed_s: float = 0.0) -> str:
    with pytest.raises(InvalidRequest) as caught:
        parse_location(value, policy, now=NOW, needed_s=needed_s)
    assert caught.value.target == "storageLocation"
    assert caught.value.hint
    assert "c2VjcmV0" not in f"{caught.value.message} {caught.value.hint}"
    return caught.value.code


@pytest.mark.parametrize(
    "value", [None, "", 1, 1.5, True, [], {}, ["x"], {"url": url()}, "NoSuchAccount", "mystorageaccount", "file:///etc"]
)
def test_value_that_is_no_location_is_refused(value: object) -> None:  # GRAPH-10
    assert code_of(value) == "StorageLocationInvalid"


def test_account_is_found_by_its_name() -> None:  # GRAPH-23
    location = parse_location("MyStorageAccount", STANDARD, now=NOW)
    assert location == AccountLocation(name="MyStorageAccount", url="file:///var/exports")
    assert (location.text, location.display, location.container_key) == ("MyStorageAccount", "MyStorageAccount", "account:MyStorageAccount")


def test_container_is_shown_without_its_query_string() -> None:  # GRAPH-34
    location = parse_location(url(), STANDARD, now=NOW)
    assert isinstance(location, ContainerLocation)
    assert location.display == f"https://{HOST}/exports"
    assert location.container_key == f"{HOST}:443/exports"
    assert location.text == url()
    assert "c2VjcmV0" not in repr(location)


@pytest.mark.parametrize(
    ("allow", "given"),
    [
        ("*.blob.core.windows.net", url()),
        ("*.BLOB.core.windows.net", url(host="Contoso.Blob.Core.Windows.NET")),
        ("*.core.windows.net", url()),
        (HOST, url()),
        (f"{HOST}:443", url()),
        ("127.0.0.1:10000", url(host="127.0.0.1:10000", path="/dev/exports")),
        ("127.0.0.1:10000", url(host="127.0.0.1:10000", path="/dev/exports").replace("https", "http")),
        ("[::1]:10000", url(host="[0:0::1]:10000", path="/dev/exports").replace("https", "http")),
        ("azurite:10000", url(host="azurite:10000", path="/dev/exports").replace("https", "http")),
    ],
)
def test_host_on_the_list_is_allowed(allow: str, given: str) -> None:
    location = parse_location(given, StoragePolicy(allow=(allow,)), now=NOW)
    assert isinstance(location, ContainerLocation)
    assert location.is_host_named == (":" in allow)


@pytest.mark.parametrize(
    ("allow", "given"),
    [
        ("*.blob.core.windows.net", url(host="blob.core.windows.net")),
        ("*.blob.core.windows.net", url(host="evilblob.core.windows.net")),
        ("*.blob.core.windows.net", url(host=f"{HOST}.evil.example")),
        ("*.blob.core.windows.net", url(host="evil.example", path=f"/{HOST}").replace(HOST, "exports")),
        ("*.blob.core.windows.net", url(host=f"{HOST}:8443")),
        ("*.blob.core.windows.net", url().replace("https", "http")),
        (HOST, url(host=f"a.{HOST}")),
        (HOST, url().replace("https", "http")),
        ("127.0.0.1", url(host="127.0.0.1", path="/dev/exports")),
        ("127.0.0.1:10000", url(host="127.0.0.1:10001", path="/dev/exports")),
        ("127.0.0.1:10000", url(host="127.0.0.2:10000", path="/dev/exports")),
        ("localhost:10000", url(host="127.0.0.1:10000", path="/dev/exports")),
        ("*", url()),
        ("*.", url()),
    ],
)
def test_host_off_the_list_is_refused(allow: str, given: str) -> None:
    assert code_of(given, StoragePolicy(allow=(allow,))) == "StorageLocationInvalid"


EMULATOR = "127.0.0.1:10000"


@pytest.mark.parametrize(
    ("allow", "given", "is_allowed"),
    [
        ([f"{HOST}/exports"], url(), True),
        ([f"{HOST}/exports"], url(path="/exports/"), True),
        ([f"{HOST}/exports"], url(path="/exports2"), False),
        ([f"{HOST}/exports"], url(path="/export"), False),
        ([f"{HOST}/dsr-*"], url(path="/dsr-1"), True),
        ([f"{HOST}/dsr-*"], url(path="/dsr"), False),
        ([f"{HOST}/dsr-*"], url(path="/my-dsr-1"), False),
        ([f"{HOST}/*"], url(), True),
        ([f"{HOST}/dsr-*", f"{HOST}/exports"], url(), True),
        ([f"{HOST}/dsr-*", "*.blob.core.windows.net"], url(), True),
        (["*.blob.core.windows.net/dsr-*"], url(path="/dsr-1"), True),
        (["*.blob.core.windows.net/dsr-*"], url(), False),
        (["other.blob.core.windows.net/exports", f"{HOST}/dsr-*"], url(), False),
        ([f"{EMULATOR}/dev/exports"], url(host=EMULATOR, path="/dev/exports"), True),
        ([f"{EMULATOR}/Dev/exports"], url(host=EMULATOR, path="/dEV/exports"), True),
        ([f"{EMULATOR}/dev/exports"], url(host=EMULATOR, path="/other/exports"), False),
        ([f"{EMULATOR}/dev/*"], url(host=EMULATOR, path="/dev/exports"), True),
        (["minio.example:9000/exports"], url(host="minio.example:9000"), True),
        (["minio.example:9000/exports"], url(host="minio.example:9000", path="/dev/exports"), False),
        (["minio.example:9000/dev/exports"], url(host="minio.example:9000"), False),
    ],
)
def test_containers_that_the_list_names_are_allowed_and_no_others(allow: list[str], given: str, *, is_allowed: bool) -> None:
    policy = StoragePolicy(allow=tuple(allow))
    if is_allowed:
        assert isinstance(parse_location(given, policy, now=NOW), ContainerLocation)
    else:
        with pytest.raises(InvalidRequest, match="container is not allowed") as caught:
            parse_location(given, policy, now=NOW)
        assert caught.value.code == "StorageLocationInvalid"


def test_only_the_entry_that_names_the_container_lets_its_host_be_private() -> None:
    policy = StoragePolicy(allow=(f"{HOST}:443/inside", "*.blob.core.windows.net/out*"))
    inside, outside = (find_location(url(path=path), policy) for path in ("/inside", "/outside"))
    assert isinstance(inside, ContainerLocation)
    assert isinstance(outside, ContainerLocation)
    assert (inside.is_host_named, outside.is_host_named) == (True, False)


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ("", "host"),
        ("*", "host"),
        ("*.", "host"),
        ("*.net", "too much"),
        ("*.1.2.3.4", "mixes"),
        ("*.blob.core.windows.net:443", "mixes"),
        ("a.*.windows.net", "host"),
        ("127.0.0.1", "without a port"),
        ("[::1]", "without a port"),
        ("127.1:10000", "host"),
        ("my_azurite:10000", "host"),
        ("azurite:0", "port"),
        ("azurite:65536", "port"),
        ("azurite:", "port"),
        ("https://a.example", "port"),
        (f"{HOST}/", "container"),
        (f"{HOST}/a/b/c", "container"),
        (f"{HOST}/ex*ts", "container"),
        (f"{HOST}/Exports", "container"),
        (f"{HOST}/exports/", "container"),
        (f"{HOST}/ex", "container"),
        (f"{HOST}/../exports", "container"),
        (f"{HOST}/exports?sig=x", "container"),
        (f"{EMULATOR}/exports", "account"),
        ("azurite:10000/exports", "account"),
    ],
)
def test_entry_that_means_nothing_is_refused_and_allows_nothing(entry: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        parse_rule(entry)
    assert find_rule(entry) is None


@pytest.mark.parametrize(
    ("given", "needed_s", "word"),
    [
        (url(se="2026-01-31T11:59:59Z"), 0, "expired"),
        (url(se="2026-01-31T12:00:00Z"), 0, "expired"),
        (url(se="2026-01-31T12:05:00Z"), 600, "too soon"),
        (url(more="&sr=c&st=2026-01-31T12:00:01Z"), 0, "not valid yet"),
        (url(more="&sr=c&skoid=a&ske=2026-01-30"), 0, "expired"),
    ],
)
def test_sas_out_of_its_time_is_refused(given: str, needed_s: float, word: str) -> None:
    with pytest.raises(InvalidRequest, match=word) as caught:
        parse_location(given, STANDARD, now=NOW, needed_s=needed_s)
    assert caught.value.code == "StorageLocationInvalid"


def test_location_judged_before_may_have_expired_since() -> None:
    assert find_location(url(se="2020-01-01"), STANDARD).container_key == f"{HOST}:443/exports"


@pytest.mark.parametrize("sp", ["c", "w", "cw", "racwdl"])
def test_standard_takes_any_sas_that_can_write(sp: str) -> None:  # GRAPH-42
    assert parse_location(url(sp), STANDARD, now=NOW).display == f"https://{HOST}/exports"


@pytest.mark.parametrize(
    ("given", "policy", "expected"),
    [
        (url("rl"), STANDARD, "StorageLocationNeedsWriteAddPermissions"),
        (url("a"), STANDARD, "StorageLocationNeedsWriteAddPermissions"),
        (url(more="&sr=b"), STANDARD, "StorageLocationNotAzureBlob"),
        (url(more="&sr=d"), STANDARD, "StorageLocationNotAzureBlob"),
        (url(more="&ss=fq&srt=co"), STANDARD, "StorageLocationNotAzureBlob"),
        (url(more="&ss=b&srt=sc"), STANDARD, "StorageLocationNeedsWriteAddPermissions"),
        (url("aw", more="&ss=b&srt=co"), STRICT, "StorageLocationNotServiceSAS"),
        (url("cw"), STRICT, "StorageLocationNeedsWriteAddPermissions"),
        (url("ac"), STRICT, "StorageLocationNeedsWriteAddPermissions"),
        (url("raw"), STRICT, "StorageLocationShouldNotAllowReadAccess"),
        (url("awl"), STRICT, "StorageLocationShouldNotAllowListAccess"),
    ],
)
def test_sas_of_wrong_kind_or_rights_has_its_own_code(given: str, policy: StoragePolicy, expected: str) -> None:  # GRAPH-42
    assert code_of(given, policy) == expected


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        (url("aw"), STRICT),
        (url("acw"), STRICT),
        (f"https://{HOST}/exports?sr=c&si=policy&sig=x", STRICT),
        (url(more="&ss=b&srt=co"), STANDARD),
    ],
)
def test_sas_that_may_be_enough_is_taken(given: str, policy: StoragePolicy) -> None:
    assert isinstance(parse_location(given, policy, now=NOW), ContainerLocation)


@pytest.mark.parametrize("address", ["20.60.1.1", "2603:1030::1", "64:ff9b::20.60.1.1", "::ffff:20.60.1.1"])
def test_public_address_is_reachable(address: str) -> None:
    assert is_reachable(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "192.0.2.1",
        "198.18.0.1",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "2001:db8::1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "2002:7f00:1::",
        "2001:0:1:2::1",
        "::ffff:0:7f00:1",
        "64:ff9b::10.0.0.1",
        "2002:a9fe:a9fe::1",
        "2001:20::1",
        "fec0::1",
        "3fff::1",
        "5f00::1",
        "4000::1",
        "192.0.0.192",
        "192.88.99.1",
    ],
)
def test_address_of_a_private_or_wrapped_network_is_not(address: str) -> None:
    assert not is_reachable(address)
