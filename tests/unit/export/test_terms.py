"""What a configuration says in packages is made once for the same sources, and apart for others."""

from pathlib import Path

import msgspec
from tests.unit.export.scripted import PEOPLE, Scripted
from tests.unit.export.world import World

from rightful.export.receipts import policy_of
from rightful.export.terms import TermsOf
from rightful.ids import TenantId
from rightful.package.label import StatementSettings


def test_terms_are_those_of_the_sources_and_of_the_tenant(tmp_path: Path) -> None:
    [tenant] = World(tmp_path, PEOPLE, {"orders": Scripted(), "logins": Scripted()}).config.tenants
    terms = TermsOf()
    both, one = terms(tenant, frozenset({"orders", "logins"})), terms(tenant, frozenset({"orders"}))
    assert {title.source_name for title in both.titles} == set(both.labels) == {"orders", "logins"}
    assert {title.source_name for title in one.titles} == set(one.labels) == {"orders"}
    assert both.policy_sha256 == policy_of(tenant, frozenset({"orders", "logins"}))
    assert one.policy_sha256 == policy_of(tenant, frozenset({"orders"})) != both.policy_sha256
    assert terms(tenant, frozenset({"logins", "orders"})) is both
    other = msgspec.structs.replace(
        tenant, id=TenantId("44444444-4444-4444-8444-444444444444"), statement=StatementSettings(laws=("ccpa",))
    )
    assert terms(other, frozenset({"orders"})).policy_sha256 != one.policy_sha256
