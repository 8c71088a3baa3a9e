"""SAS URLs: what is read from one, and the code for each thing wrong with it."""

from datetime import UTC, datetime

import pytest

from rightful.errors import InvalidRequest
from rightful.storage.sas import SasUrl, parse_sas_url

AZURE = "https://contoso.blob.core.windows.net/exports"
SERVICE = "sv=2021-12-02&sr=c&sp=cw&se=2026-02-01T00:00:00Z&sig=c2VjcmV0%2B%3D"


def code_of(text: str) -> str:
    with pytest.raises(InvalidRequest) as caught:
        parse_sas_url(text)
    assert caught.value.target == "storageLocation"
    assert caught.value.hint
    assert "c2VjcmV0" not in f"{caught.value.message} {caught.value.hint}"
    return caught.value.code


def test_azure_url_is_read() -> None:
    sas = parse_sas_url(f"{AZURE}?{SERVICE}")
    assert (sas.scheme, sas.host, sas.port) == ("https", "contoso.blob.core.windows.net", 443)
    assert (sas.account_path, sas.container) == ("", "exports")
    assert sas.permissions == frozenset("cw")
    assert sas.expires_at == datetime(2026, 2, 1, tzinfo=UTC)
    assert sas.starts_at is None
    assert (sas.is_account_sas, sas.is_user_delegation, sas.resource) == (False, False, "c")
    assert sas.query == SERVICE


def test_emulator_has_the_account_in_its_path() -> None:
    sas = parse_sas_url(f"http://127.0.0.1:10000/devstoreaccount1/exports?{SERVICE}")
    assert (sas.account_path, sas.container, sas.port) == ("/devstoreaccount1", "exports", 10000)
    assert sas.container_key == "127.0.0.1:10000/devstoreaccount1/exports"


def test_account_sas_is_told_apart() -> None:
    sas = parse_sas_url(f"{AZURE}?sv=2021-12-02&ss=bq&srt=co&sp=rwl&se=2026-02-01&sig=x")
    assert (sas.is_account_sas, sas.services, sas.resource_types) == (True, "bq", "co")


def test_user_delegation_ends_with_its_key() -> None:
    sas = parse_sas_url(f"{AZURE}?sv=2021-12-02&sr=c&sp=c&skoid=a&se=2026-02-01T00:00Z&ske=2026-01-15T00:00:00Z&skt=2026-01-10&sig=x")
    assert sas.expires_at == datetime(2026, 1, 15, tzinfo=UTC)
    assert sas.starts_at == datetime(2026, 1, 10, tzinfo=UTC)
    assert sas.is_user_delegation


def test_stored_policy_leaves_rights_and_expiry_unknown() -> None:
    sas = parse_sas_url(f"{AZURE}?sv=2021-12-02&sr=c&si=exports&sig=x")
    assert sas.permissions is None
    assert sas.expires_at is None
    assert sas.grants("w") is None


def test_keys_of_two_sas_of_one_container_are_equal() -> None:
    one = parse_sas_url(f"{AZURE}?{SERVICE}")
    other = parse_sas_url("HTTPS://Contoso.blob.core.windows.net:443/exports/?sr=c&sp=w&se=2027-01-01&sig=other")
    assert one.container_key == other.container_key
    assert one != other


def test_secret_is_in_no_form_that_is_shown() -> None:  # GRAPH-34
    sas = parse_sas_url(f"{AZURE}?{SERVICE}")
    for shown in (repr(sas), str(sas), f"{sas}", sas.display, sas.origin, sas.container_key, repr([sas]), repr({"a": sas})):
        assert "sig" not in shown
        assert "c2VjcmV0" not in shown
    assert sas.display == AZURE
    assert sas.text == f"{AZURE}?{SERVICE}"


def test_target_names_the_entry_and_carries_the_sas() -> None:
    sas = parse_sas_url(f"{AZURE}?{SERVICE}")
    assert sas.target("a b/ä?#%.json") == f"/exports/a%20b/%C3%A4%3F%23%25.json?{SERVICE}"
    assert sas.target("a", "comp=block&blockid=AA%3D%3D") == f"/exports/a?comp=block&blockid=AA%3D%3D&{SERVICE}"
    assert sas.target("", "restype=container&comp=list") == f"/exports?restype=container&comp=list&{SERVICE}"


def test_parameters_of_a_copied_listing_are_not_sent_on() -> None:
    sas = parse_sas_url(f"{AZURE}?restype=container&comp=list&{SERVICE}&timeout=5")
    assert sas.query == SERVICE


def test_it_exists_only_parsed() -> None:
    with pytest.raises(InvalidRequest):
        SasUrl("nonsense")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-02-01", datetime(2026, 2, 1, tzinfo=UTC)),
        ("2026-02-01T12:30Z", datetime(2026, 2, 1, 12, 30, tzinfo=UTC)),
        ("2026-02-01T12%3A30%3A15Z", datetime(2026, 2, 1, 12, 30, 15, tzinfo=UTC)),
        ("2026-02-01T12:30:15.1234567Z", datetime(2026, 2, 1, 12, 30, 15, tzinfo=UTC)),
        ("2026-02-01T12:30:15%2B02:00", datetime(2026, 2, 1, 10, 30, 15, tzinfo=UTC)),
    ],
)
def test_times_of_a_sas_are_read(text: str, expected: datetime) -> None:
    assert parse_sas_url(f"{AZURE}?sr=c&sp=c&se={text}&sig=x").expires_at == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "exports",
        "//contoso.blob.core.windows.net/exports?" + SERVICE,
        "ftp://contoso.blob.core.windows.net/exports?" + SERVICE,
        "https:/contoso.blob.core.windows.net/exports?" + SERVICE,
        "https:///exports?" + SERVICE,
        "https://user@contoso.blob.core.windows.net/exports?" + SERVICE,
        "https://user:password@contoso.blob.core.windows.net/exports?" + SERVICE,
        "https://contoso.blob.core.windows.net@evil.example/exports?" + SERVICE,
        "https://contoso.blob.core.windows.net\\@evil.example/exports?" + SERVICE,
        f"{AZURE}?{SERVICE}#fragment",
        f" {AZURE}?{SERVICE}",
        f"{AZURE}?{SERVICE}\n",
        f"{AZURE}?{SERVICE}\r\nHost: evil.example",
        f"{AZURE}?{SERVICE}\x00",
        f"{AZURE}?{SERVICE}&a=ä",
        "https://127.1/a/exports?" + SERVICE,
        "https://0x7f000001/a/exports?" + SERVICE,
        "https://0x7f.1/a/exports?" + SERVICE,
        "https://2130706433/a/exports?" + SERVICE,
        "https://0177.0.0.1/a/exports?" + SERVICE,
        "https://127.0.0.1./a/exports?" + SERVICE,
        "https://１２７.0.0.1/a/exports?" + SERVICE,  # noqa: RUF001 - full-width digits are the point
        "https://[::1%25eth0]/a/exports?" + SERVICE,
        "https://[127.0.0.1]/a/exports?" + SERVICE,
        "https://[::1/a/exports?" + SERVICE,
        "https://contoso..net/exports?" + SERVICE,
        "https://-contoso.net/exports?" + SERVICE,
        "https://contoso.net./exports?" + SERVICE,
        "https://con%74oso.net/exports?" + SERVICE,
        "https://contoso.net:0/exports?" + SERVICE,
        "https://contoso.net:65536/exports?" + SERVICE,
        "https://contoso.net:/exports?" + SERVICE,
        "https://contoso.net:+443/exports?" + SERVICE,
        f"{AZURE}?{SERVICE}&x={'a' * 8192}",
    ],
)
def test_what_is_no_https_url_of_a_host_is_refused(text: str) -> None:
    assert code_of(text) == "StorageLocationInvalid"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "//",
        "/exports/blob.json",
        "/a/b/c",
        "/exports//",
        "//exports",
        "/Exports",
        "/ex--ports",
        "/ab",
        "/$root",
        "/$web",
        "/..",
        "/%65xports",
    ],
)
def test_path_other_than_one_container_is_refused(path: str) -> None:
    assert code_of(f"https://contoso.blob.core.windows.net{path}?{SERVICE}") == "StorageLocationNotAzureBlob"


def test_emulator_without_its_account_is_refused() -> None:
    assert code_of(f"http://127.0.0.1:10000/exports?{SERVICE}") == "StorageLocationNotAzureBlob"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "?sv=2021-12-02&sr=c&sp=cw&se=2026-02-01",
        "?sr=c&sp=cw&se=2026-02-01&sig=",
        "?sr=c&sp=cw&sig=x",
        "?sr=c&se=2026-02-01&sig=x",
        "?sp=cw&se=2026-02-01&sig=x",
        "?ss=b&sp=cw&se=2026-02-01&sig=x",
        "?ss=b&srt=o&si=exports&sig=x",
        "?sr=c&sp=c-w&se=2026-02-01&sig=x",
        "?sr=c&sp=cw&se=tomorrow&sig=x",
        "?sr=c&sp=cw&se=2026-02-30&sig=x",
        "?sr=c&sp=cw&se=2026-02-01T25:00Z&sig=x",
        "?sr=c&sp=cw&se=2026-02-01&st=never&sig=x",
        f"?{SERVICE}&sig=other",
        f"?{SERVICE}&SP=rl",
        f"?{SERVICE}&s%70=rl",
        f"?{SERVICE}&x=%ff",
    ],
)
def test_url_without_a_whole_sas_is_refused(query: str) -> None:
    assert code_of(AZURE + query) == "SharedAccessSignatureTokenInvalid"
