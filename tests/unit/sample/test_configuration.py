"""The sample company's configuration names its folders wherever it is built."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from rightful.config.load import load
from rightful.connectors.interface import Rows
from rightful.export.runtime import build_connector
from rightful.sample import configuration
from rightful.storage.location import AccountLocation
from rightful.storage.registry import account_folder
from rightful.testing.connector_suite import identified


@pytest.mark.parametrize("name", ["plain", "h#x", "what?", "pct%20", "a[b]c", "star*"])
def test_folders_of_the_sample_company_are_found_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    for below in ("systems/activity", "systems/onedrive/ann"):
        (folder / below).mkdir(parents=True)
    activity = pl.DataFrame({"user_id": ["ann@contoso.example", "bob@contoso.example"], "ts": [datetime(2026, 1, 2, tzinfo=UTC)] * 2})
    activity.write_parquet(folder / "systems/activity/a.parquet")
    for key in ("seal.key", "audit.key", "receipt.key"):
        (folder / key).write_text("ab" * 32 + "\n")
    (folder / "rightful.yaml").write_text(configuration.render(folder, listen="127.0.0.1:8443"), encoding="utf-8")
    tenant = load(folder / "rightful.yaml", {}).tenants[0]
    accounts = tenant.storage.accounts.items()
    assert [account_folder(AccountLocation(name=each, url=account.url)) for each, account in accounts] == [folder / "exports"]
    sources = {source.name: source for source in tenant.sources}
    build_connector(tenant, sources["onedrive"], folder).check()
    lake = build_connector(tenant, sources["activity"], folder)
    lake.check()
    ann = identified(upn=("ann@contoso.example",))
    rows = [item.batch.num_rows for item in lake.read(lake.plan([ann])[0], [ann]) if isinstance(item, Rows)]
    assert rows == [1]


def test_nothing_is_older_than_it_is_kept(tmp_path: Path) -> None:
    """The company's records are of one year; what says that it keeps them for months alone would show them too long whenever it runs."""
    for key in ("seal.key", "audit.key", "receipt.key"):
        (tmp_path / key).write_text("ab" * 32 + "\n")
    path = tmp_path / "rightful.yaml"
    path.write_text(configuration.render(tmp_path, listen="127.0.0.1:0"), encoding="utf-8")
    tenant = load(path, {}).tenants[0]
    for source in tenant.sources:
        words = tenant.label(source).retention
        assert isinstance(words, dict) or int(words.split()[0]) * {"years": 12, "months": 1}[words.split()[1]] >= 60, source.name
