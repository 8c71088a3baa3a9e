"""The built-in issuer: its key is made once, is nobody else's, and its tokens count only where it is configured."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.wire.world import TENANT, make_config

from rightful.clock import SystemClock
from rightful.config.model import ServerSettings
from rightful.errors import ConfigurationError, Unauthenticated
from rightful.graph.authentication import authorization_uri, build_verifier
from rightful.identity import local_issuer
from rightful.identity.local_issuer import issuer_name, load_key, mint
from rightful.identity.model import CallerKind
from rightful.identity.permissions import GLOBAL_ADMINISTRATOR, GLOBAL_READER
from rightful.testing.issuer import AUDIENCE


def token(folder: Path, **changes: Any) -> str:
    said: dict[str, Any] = {
        "folder": folder,
        "tenant_id": TENANT,
        "audience": AUDIENCE,
        "kind": CallerKind.APPLICATION,
        "permissions": ["User.Export.All"],
        "now": datetime.now(UTC),
    }
    return mint(**(said | changes))


def test_minted_application_token_counts_where_local_is_configured(tmp_path: Path) -> None:
    checker = build_verifier(make_config({TENANT: []}, folder=tmp_path, local=True), SystemClock())
    caller = checker.verify(token(tmp_path))
    assert caller is not None
    assert (caller.tenant_id, caller.kind, set(caller.permissions)) == (TENANT, CallerKind.APPLICATION, {"User.Export.All"})


def test_minted_delegated_token_has_roles_and_scopes(tmp_path: Path) -> None:
    checker = build_verifier(make_config({TENANT: []}, folder=tmp_path, local=True), SystemClock())
    person = token(tmp_path, kind=CallerKind.DELEGATED, roles=["company_admin", GLOBAL_READER], permissions=["A", "B"], object_id="ann-1")
    caller = checker.verify(person)
    assert caller is not None
    assert (caller.object_id, set(caller.permissions)) == ("ann-1", {"A", "B"})
    assert caller.directory_roles == {GLOBAL_ADMINISTRATOR, GLOBAL_READER}


def test_minted_token_does_not_count_where_local_is_not_configured(tmp_path: Path) -> None:
    checker = build_verifier(make_config({TENANT: []}, folder=tmp_path), SystemClock())
    with pytest.raises(Unauthenticated):
        checker.verify(token(tmp_path))


def test_local_issuer_is_refused_unless_on_loopback(tmp_path: Path) -> None:
    config = make_config({TENANT: []}, folder=tmp_path, local=True, server=ServerSettings(listen="0.0.0.0:8443"))
    with pytest.raises(ConfigurationError, match="loopback"):
        build_verifier(config, SystemClock())


def test_key_file_is_its_owners_alone_and_stays(tmp_path: Path) -> None:
    first = load_key(tmp_path)
    path = tmp_path / local_issuer.KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(tmp_path).private_numbers() == first.private_numbers()
    assert [entry.name for entry in tmp_path.iterdir()] == [local_issuer.KEY_FILE]


def test_key_made_by_many_at_once_is_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(load_key, [tmp_path] * 4))
    assert len({key.private_numbers().p for key in made}) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [local_issuer.KEY_FILE]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_key(tmp_path)
    (tmp_path / local_issuer.KEY_FILE).chmod(0o640)
    with pytest.raises(ConfigurationError, match="read by others"):
        load_key(tmp_path)


def test_key_file_with_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / local_issuer.KEY_FILE
    path.write_text("hello")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="no private key"):
        load_key(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    with pytest.raises(ConfigurationError, match="no RSA key"):
        load_key(tmp_path)


def test_folder_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        load_key(tmp_path / "missing")


def test_running_service_notices_a_new_key_file(tmp_path: Path) -> None:
    checker = build_verifier(make_config({TENANT: []}, folder=tmp_path, local=True), SystemClock())
    old = token(tmp_path)
    checker.verify(old)
    (tmp_path / local_issuer.KEY_FILE).unlink()
    assert checker.verify(token(tmp_path)) is not None
    with pytest.raises(Unauthenticated, match="signing key"):
        checker.verify(old)


@pytest.mark.parametrize("content", [b"hello", None], ids=["no key", "not there and cannot be made"])
def test_running_service_keeps_its_key_where_the_file_cannot_be_used(tmp_path: Path, content: bytes | None) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    checker = build_verifier(make_config({TENANT: []}, folder=folder, local=True), SystemClock())
    known, unknown = token(folder), token(tmp_path)
    (folder / local_issuer.KEY_FILE).unlink()
    if content is None:
        folder.rmdir()
    else:
        (folder / local_issuer.KEY_FILE).write_bytes(content)
    for _ in range(2):
        assert checker.verify(known) is not None
        with pytest.raises(Unauthenticated):
            checker.verify(unknown)


@pytest.mark.parametrize("lifetime_s", [0, -1, 24 * 3600 + 1])
def test_lifetime_is_bounded(tmp_path: Path, lifetime_s: int) -> None:
    with pytest.raises(ConfigurationError, match="24 hours"):
        token(tmp_path, lifetime_s=lifetime_s)


def test_unknown_role_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no directory role") as caught:
        token(tmp_path, kind=CallerKind.DELEGATED, roles=["king"])
    assert caught.value.code == "RoleUnknown"


def test_issuer_is_named_for_its_tenant() -> None:
    assert issuer_name(TENANT) == f"https://rightful.local/{TENANT}"


def test_401_points_to_the_only_issuer_or_names_no_tenant(tmp_path: Path) -> None:
    assert authorization_uri(make_config({TENANT: []}, folder=tmp_path, local=True)) == (
        "https://login.microsoftonline.com/common/oauth2/v2.0/authorize"
    )
