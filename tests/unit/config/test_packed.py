"""What a worker is sent of the configuration is the configuration, but for what it does not need."""

from pathlib import Path

import msgspec
import pytest
from tests.unit.config.test_template import taken_in, write_keys

from rightful.config import local_paths
from rightful.config.load import load
from rightful.config.model import AuditSettings, Config, DaskSettings, GraphSettings, IdentitySettings, ServerSettings
from rightful.config.packed import pack, unpack
from rightful.errors import ConfigurationError
from rightful.ids import TenantId
from rightful.sample import company as sample

EVERYTHING = {"PASSWORD": "hunter2-of-the-environment"}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Everything that there is to be set, with every connector."""
    write_keys(tmp_path)
    path = tmp_path / "rightful.yaml"
    path.write_text(taken_in(tmp_path), encoding="utf-8")
    return load(path, EVERYTHING)


def without(config: Config) -> Config:
    """Leave out what no worker is told."""
    tenants = tuple(msgspec.structs.replace(tenant, identity=IdentitySettings(issuers=()), webhooks=()) for tenant in config.tenants)
    server = ServerSettings(traces=config.server.traces)
    more = {"server": server, "audit": AuditSettings(), "graph": GraphSettings(), "dask": DaskSettings()}
    return msgspec.structs.replace(config, tenants=tenants, seal_key_path=None, **more)


def test_everything_that_can_be_set_comes_back_as_it_was(config: Config) -> None:
    assert unpack(pack(config)) == without(config)
    assert pack(config) == pack(config)
    assert pack(unpack(pack(config))) == pack(config)


def test_sample_company_comes_back_one_tenant_at_a_time(tmp_path: Path) -> None:
    company = sample.build(tmp_path / "company", scale=0.001, listen="127.0.0.1:0")
    config = load(company.config_path, {})
    assert len(config.tenants) == 2
    for tenant in without(config).tenants:
        assert unpack(pack(config, tenant.id)).tenants == (tenant,)
    assert unpack(pack(config, TenantId("nobody"))).tenants == ()


def test_nothing_goes_that_a_worker_does_not_need(config: Config) -> None:
    packed = pack(config)
    assert config.seal_key in packed
    assert EVERYTHING["PASSWORD"].encode() in packed
    for secret in (config.audit.key, *(webhook.secret for tenant in config.tenants for webhook in tenant.webhooks)):
        assert secret
        assert secret.strip() == config.tenants[0].receipts.key.strip() or secret.encode() not in packed


def test_connector_that_is_not_installed_here_is_named(config: Config) -> None:
    raw = msgspec.msgpack.decode(pack(config))
    raw["tenants"][0]["sources"][0]["connector"] = "elsewhere"
    with pytest.raises(ConfigurationError, match="elsewhere"):
        unpack(msgspec.msgpack.encode(raw))


def test_paths_that_every_machine_needs_are_those_of_the_sources(tmp_path: Path) -> None:
    company = sample.build(tmp_path / "company", scale=0.001, listen="127.0.0.1:0")
    config = load(company.config_path, {})
    found = local_paths.of_sources(config)
    assert str(company.systems / "onedrive") in found
    assert str(company.systems / "activity") in found
    assert str(company.systems / "people.db") in found
    assert all(Path(path).exists() for path in found)
    assert company.exports in local_paths.written(config)
