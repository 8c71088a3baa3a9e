"""What holds a signature shows nothing of it: not to `repr`, to a format, nor inside another value."""

import traceback
from pathlib import Path

import pytest

from rightful.age.keys import Identity
from rightful.config.model import Config, DirectoryConfig, IdentitySettings, IssuerSettings, TenantConfig
from rightful.export.interface import SubmitRequest
from rightful.graph.bodies import parse_export
from rightful.identity.model import Caller, CallerKind
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.sealing import Sealer
from rightful.storage.location import StoragePolicy, find_location
from rightful.storage.registry import Storages
from rightful.storage.sas import parse_sas_url
from rightful.storage.sealing import sealing
from rightful.subject.model import DataSubject
from rightful.testing.memory_storage import MemoryStorage

URL = "https://acct.blob.core.windows.net/exports?sv=2024-11-04&sr=c&sp=cw&se=2099-01-01&sig=Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2E%3D"
POLICY = StoragePolicy(allow=("*.blob.core.windows.net",))
CALLER = Caller(tenant_id=TenantId("t"), kind=CallerKind.APPLICATION, object_id="o", app_id="a", permissions=frozenset())
KEY = b"canary key of thirty-two bytes!!"

HOLDERS: dict[str, object] = {
    "sas": parse_sas_url(URL),
    "location": find_location(URL, POLICY),
    "storage": Storages().open(find_location(URL, POLICY).text, POLICY),
    "body": parse_export(b'{"storageLocation": "%b"}' % URL.encode()),
    "passphrase body": parse_export(b'{"passphrase": "canary passphrase"}'),
    "identity": Identity(KEY),
    "passphrase": SubmitRequest(
        caller=CALLER,
        subject=DataSubject(tenant_id=TenantId("t"), subject_id=SubjectId("s")),
        storage_location="Local",
        passphrase="canary passphrase",
    ),
    "sealing": sealing(MemoryStorage(), prefix="", recipient=Identity(KEY).recipient, secret=KEY),
    "submit": SubmitRequest(caller=CALLER, subject=DataSubject(tenant_id=TenantId("t"), subject_id=SubjectId("s")), storage_location=URL),
    "sealer": Sealer(KEY),
    "config": Config(
        folder=Path(),
        seal_key=KEY,
        tenants=(
            TenantConfig(
                id=TenantId("t"),
                name="x",
                identity=IdentitySettings(issuers=(IssuerSettings(issuer="local", audience=("a",)),)),
                directory=DirectoryConfig(connector="sql", settings=parse_export(b"{}")),
                sources=(),
            ),
        ),
    ),
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS.keys())
def test_holder_of_a_secret_shows_nothing_of_it(holder: object) -> None:
    for shown in (repr(holder), str(holder), f"{holder}", repr([holder]), repr({"a": holder}), f"{holder!r:>10}"):
        assert "Y2FuYXJ5" not in shown
        assert "canary" not in shown


def test_error_of_a_sealed_value_shows_nothing_of_it() -> None:
    place = TenantId("t"), OperationId("o")
    sealed = Sealer(KEY).seal(URL.encode(), *place)
    with pytest.raises(Exception, match="does not open") as caught:
        Sealer(bytes(32)).open(sealed, *place)
    shown = "".join(traceback.format_exception(caught.value))
    assert "Y2FuYXJ5" not in shown
    assert sealed.hex() not in shown
    assert repr(sealed)[2:-1] not in shown
