"""Services of which one leads: whose turn it is."""

from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import cast

import pytest
from prometheus_client.exposition import generate_latest
from tests.unit.cli.test_local_commands import home

from rightful.assembly import running, take_turns
from rightful.config.load import load
from rightful.errors import ConfigurationError
from rightful.metrics import PrometheusMeters
from rightful.store.place import Led

__all__ = ["home"]  # a fixture


class Leads:
    """Says how each turn ends, in order: by a lead that is lost, or by a signal."""

    def __init__(self, *ends: str) -> None:
        self.turns = [cast("Led", SimpleNamespace(lost=Event())) for _ in ends]
        for turn, end in zip(self.turns, ends, strict=True):
            if end == "lost":
                turn.lost.set()
        self.seen: list[str] = []

    def first(self) -> Led | None:
        if "first" in self.seen:
            raise ConfigurationError("the database is away")
        self.seen.append("first")
        return self.turns.pop(0)

    def stand_by(self) -> Led | None:
        self.seen.append("stand by")
        return self.turns.pop(0) if self.turns else None

    def work(self, _opened: Led) -> None:
        self.seen.append("work")


def test_who_lost_the_lead_stands_by_whether_the_database_is_there_or_not() -> None:
    leads = Leads("lost", "lost", "signal")
    take_turns(first=leads.first, stand_by=leads.stand_by, work=leads.work)
    assert leads.seen == ["first", "work", "stand by", "work", "stand by", "work"]


def test_signal_while_it_stands_by_ends_it() -> None:
    leads = Leads("lost")
    take_turns(first=leads.first, stand_by=leads.stand_by, work=leads.work)
    assert leads.seen == ["first", "work", "stand by"]


def test_database_that_cannot_be_had_at_the_start_is_an_error() -> None:
    leads = Leads()
    leads.seen.append("first")
    with pytest.raises(ConfigurationError):
        take_turns(first=leads.first, stand_by=leads.stand_by, work=leads.work)


def test_who_works_no_more_tells_nothing_of_the_store(home: Path) -> None:
    meters = PrometheusMeters()
    config = load(home / "rightful.yaml", {})
    asked = ("rightful_operations_not_started", "rightful_reads_open", "rightful_directory_stale")
    for _ in range(2):  # it has lost the lead, and had it again
        with running(config, meters=meters):
            meters.due(config.tenants[0].id, soon=1, over=2)
            text = generate_latest(meters.registry).decode()
            assert [text.count(f"# TYPE {name} gauge") for name in asked] == [1, 1, 1]
            assert f'rightful_requests_overdue{{tenant="{config.tenants[0].id}"}} 2.0' in text
        text = generate_latest(meters.registry).decode()
        assert not any(name in text for name in asked)
        assert "rightful_requests_overdue{" not in text
        assert "rightful_requests_due_soon{" not in text
