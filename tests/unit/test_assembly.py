"""Services of which one leads: whose turn it is."""

from threading import Event
from types import SimpleNamespace
from typing import cast

import pytest

from rightful.assembly import take_turns
from rightful.errors import ConfigurationError
from rightful.store.place import Led


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
