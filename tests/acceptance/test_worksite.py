"""Workers without Dask: what they need comes with each claim, the store is in PostgreSQL, and packages are those of the embedded engine."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.acceptance.service import Document, configure
from tests.acceptance.test_postgres_store import until
from tests.acceptance.test_sample_company import export_all
from tests.acceptance.test_traces import receive, spans
from tests.servers.api import serving
from tests.servers.postgres import PostgresServer

from rightful import __version__, assembly, distributing
from rightful.clock import SystemClock
from rightful.config.load import load
from rightful.config.model import Config
from rightful.config.packed import pack
from rightful.engines.leases import new_owner
from rightful.engines.task import End, Outcome, seal
from rightful.export import audit_trail, runtime
from rightful.export.service import Service
from rightful.export.work import Work
from rightful.meters import Meters
from rightful.metrics import PrometheusMeters
from rightful.package.verify import FolderReader, PackageState, verify
from rightful.sample.company import SampleCompany
from rightful.storage.registry import Storages
from rightful.store.place import Shared, place_of
from rightful.store.sql_store import SqlStore
from rightful.store.values import Checkpoint, ReadSet, StoreFault
from rightful.testing.memory_cluster import MemoryCluster
from rightful.testing.store_cases import TENANT, accept
from rightful.worksite import Worksite, open_store

pytestmark = [pytest.mark.acceptance, pytest.mark.postgres, pytest.mark.timeout(300)]

COMPLETE = {"status": "complete", "code": ""}
DATED = {"RequestInfo.json", "README.txt", "START-HERE.html", "ledger.json", "datapackage.json", "bag-info.txt"}
"""Entries that say when and by which operation a package was made."""
OF_THE_RUN = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "a moment"),
    (r'"a moment"(,\s*"a moment")+', '"a moment"'),
    (r"\b20\d\d-\d\d-\d\d \d\d:\d\d UTC", "a moment"),
    (r'"(seconds|attempts)":\s*[\d.]+(e-\d+)?', r'"\1":0'),
    (r"(?m)^Bagging-Date: .*$", "Bagging-Date: a day"),
    (r"\b\d{1,2} [A-Z][a-z]+ 20\d\d\b", "a day"),
)
"""What such an entry says of one run: moments, how long, in how many attempts. Records, whose moments count, are elsewhere."""


def same_of(entry: Path, operation_id: str) -> str:
    """Return what an entry says that was to be said by another run too."""
    text = entry.read_text(encoding="utf-8").replace(operation_id, "an operation")
    for pattern, instead in OF_THE_RUN:
        text = re.sub(pattern, instead, text)
    return text


def comparable(package: Path) -> str:
    """Return what is equal for packages that hold the same, whoever made them and when: every byte but those that say just that."""
    assert verify(FolderReader(package)).state is PackageState.WHOLE
    lines = sorted(line for line in (package / "manifest-sha256.txt").read_text().splitlines() if line.partition("  ")[2] not in DATED)
    assert len(lines) > 10
    receipt = json.loads((package / "receipt.json").read_bytes())
    lines += [receipt["software"], receipt["policySha256"], str(len(receipt["documents"]))]
    lines += [f"{name}: {same_of(package / name, receipt['operationId'])}" for name in sorted(DATED)]
    return "\n".join(lines)


def marks(company: SampleCompany) -> set[Path]:
    """Return the files that say which folder workers share with their leader."""
    return set(company.exports.glob(".shared-by-rightful-*"))


def on_postgres(company: SampleCompany, url: str) -> Config:
    def change(document: Document) -> None:
        document["store"] = url

    return load(configure(company, "worksite", change), os.environ)


@contextmanager
def distributed(config: Config, sites: list[Worksite], cluster: MemoryCluster, meters: Meters) -> Iterator[Service]:
    """Run the service on workers that are in this process, and have nothing of it but what they are sent."""
    clock, owner = SystemClock(), new_owner()
    opened = place_of(config.store, config.store_path).open()
    store, tenants, storages = SqlStore(opened, clock), runtime.build(config), Storages()
    work = Work(config=config, tenants=tenants, store=store, storages=storages, clock=clock, owner=owner)
    for site in sites:
        cluster.join(site.deal, recipient=site.recipient)
    with distributing.marked(config, leads=True) as paths:
        engine = distributing.engine_of(
            config,
            store=store,
            cluster=cluster,
            tenants=tenants,
            owner=owner,
            term=opened.term,  # type: ignore[attr-defined]  # PostgreSQL's has one
            paths=paths,
            clock=clock,
            gives_way=lambda: False,
            meters=meters,
        )
        trail = audit_trail.build(config, store, clock)
        service = Service(
            config=config, tenants=tenants, store=store, storages=storages, engine=engine, work=work, trail=trail, clock=clock
        )
        service.start()
        trail.start()
        try:
            yield service
        finally:
            service.stop()
            for site in sites:
                site.close(5.0)


def test_packages_of_workers_are_those_of_the_embedded_engine(company: SampleCompany, postgres: PostgresServer) -> None:
    people = [company.person(key) for key in ("ann", "zoe", "jose")]
    embedded = load(configure(company, "beside"), os.environ)
    with assembly.running(embedded) as service:
        subjects = [service.find_user(company.tenant_id, person.upn) for person in people]
        found = [subject for subject in subjects if subject is not None]
        assert len(found) == len(people)
        first = [company.exports / operation.operation_id for operation in export_all(service, company, found)]
    cluster, meters, before = MemoryCluster(), PrometheusMeters(), marks(company)
    with distributed(on_postgres(company, postgres.own_database()), [Worksite(), Worksite()], cluster, meters) as service:
        second = [company.exports / operation.operation_id for operation in export_all(service, company, found)]
        until(
            lambda: meters.registry.get_sample_value("rightful_operations_ended_total", COMPLETE) == len(people), 20
        )  # with the last answer
    assert len({address for address, _ in cluster.sent}) == 2
    assert [comparable(package) for package in first] == [comparable(package) for package in second]
    assert len({comparable(package) for package in first}) == len(people)
    assert marks(company) == before


def test_marks_of_leaders_that_were_killed_go_with_the_next_one_and_no_others(company: SampleCompany) -> None:
    config = msgspec.structs.replace(load(configure(company, "marks"), os.environ), store="postgresql://127.0.0.1/one")
    other = msgspec.structs.replace(config, store="postgresql://127.0.0.1/other")
    before = marks(company)
    with ExitStack() as killed:
        killed.enter_context(distributing.marked(config, leads=True))
        (dead,) = marks(company) - before
        with distributing.marked(other, leads=True), distributing.marked(config):
            assert len(marks(company) - before) == 3
            with distributing.marked(config, leads=True) as paths:
                assert len(marks(company) - before) == 3
                assert dead not in marks(company)
                assert set(map(str, marks(company))) & set(paths)
    assert marks(company) == before


def test_spans_of_a_worker_are_in_the_trace_of_the_operation(company: SampleCompany, postgres: PostgresServer) -> None:
    with serving(receive) as receiver:
        config = on_postgres(company, postgres.own_database())
        config = msgspec.structs.replace(config, server=msgspec.structs.replace(config.server, traces=receiver.url))
        with distributed(config, [Worksite()], MemoryCluster(), Meters()) as service:
            subject = service.find_user(company.tenant_id, company.person("ann").upn)
            assert subject is not None
            (operation,) = export_all(service, company, [subject])
        sent = spans(receiver)
    assert {span.trace_id.hex() for span in sent} == {operation.operation_id.replace("-", "")}
    read, finish = ([span for span in sent if span.name == name] for name in ("read", "finish"))
    assert len(read) == len(operation.sources)
    assert len({span.parent_span_id for span in (*read, *finish)}) == 1
    assert {span.parent_span_id for span in sent if span.name == "put"} <= {span.span_id for span in (*read, *finish)}


def test_who_writes_for_a_leader_writes_nothing_in_a_later_term(postgres: PostgresServer, company: SampleCompany) -> None:
    config = on_postgres(company, postgres.own_database())
    place = place_of(config.store, config.store_path)
    leader = place.open()
    store = SqlStore(leader, SystemClock())
    operation_id = accept(store, 1, "a")
    claim = store.claim("owner", lease_s=60, limit=1)
    assert isinstance(claim, ReadSet)
    opened = open_store(config, leader.term)  # type: ignore[attr-defined]  # PostgreSQL's has one
    beside = SqlStore(opened, SystemClock())
    assert beside.checkpoint([Checkpoint(read=claim.reads[0], next_part=1)], owner="owner") == ()
    assert beside.ended([operation_id]) == frozenset()
    leader.close()
    assert beside.checkpoint([Checkpoint(read=claim.reads[0], next_part=2)], owner="owner") == ()  # nobody leads: the term lasts
    again = place.open()
    with pytest.raises(StoreFault, match="another service leads"):
        beside.checkpoint([Checkpoint(read=claim.reads[0], next_part=3)], owner="owner")
    assert opened.lost.is_set()
    operation = SqlStore(again, SystemClock()).get(TENANT, operation_id)
    assert operation is not None
    again.close()
    beside.close()


def test_worker_says_what_it_cannot_do_and_never_raises(company: SampleCompany, postgres: PostgresServer) -> None:
    config = on_postgres(company, postgres.own_database())
    task = distributing.task_of(config, owner="owner", term=1)(None)
    site = Worksite()

    def said(sealed: bytes) -> Outcome:
        return msgspec.msgpack.decode(site.deal(sealed), type=Outcome)

    assert said(seal(task, site.recipient)).end is End.DONE
    assert said(seal(task, Worksite().recipient)).end is End.REFUSED
    assert said(b"").end is End.REFUSED
    other = msgspec.structs.replace(task, version="0.0.1")
    assert (said(seal(other, site.recipient)).end, "0.0.1" in said(seal(other, site.recipient)).detail) == (End.REFUSED, True)
    assert __version__ in said(seal(other, site.recipient)).detail
    lacking = msgspec.structs.replace(task, paths=(str(company.folder), "/nowhere/at/all"))
    assert said(seal(lacking, site.recipient)).missing == (1,)
    claim = ReadSet(tenant_id=company.tenant_id, source_name="orders", partition=0, reads=(), operations=())
    away = msgspec.structs.replace
    unreachable = away(config, store="postgresql://rightful:hunter2@127.0.0.1:1/rightful?connect_timeout=1")
    broken = away(task, config=pack(unreachable, company.tenant_id), reads=claim)
    fault = said(seal(broken, site.recipient))
    assert (fault.end, "StoreFault" in fault.detail, "hunter2" in fault.detail) == (End.FAULT, True, False)
    site.close(1.0)
    assert said(seal(broken, site.recipient)).end is End.STOPPED


def test_task_that_comes_again_is_not_begun_again(company: SampleCompany, postgres: PostgresServer) -> None:
    config = on_postgres(company, postgres.own_database())
    leader = place_of(config.store, config.store_path).open()
    store = SqlStore(leader, SystemClock())
    accept(store, 1, "a", tenant_id=company.tenant_id)
    claim = store.claim("owner", lease_s=60, limit=1)
    assert isinstance(claim, ReadSet)
    site = Worksite()
    sealed = seal(distributing.task_of(config, owner="owner", term=leader.term)(claim), site.recipient)  # type: ignore[attr-defined]
    said = [msgspec.msgpack.decode(site.deal(sealed), type=Outcome).end for _ in range(3)]
    assert said == [End.DONE, End.STOPPED, End.STOPPED]
    site.close(1.0)
    store.close()


def test_store_that_is_a_file_is_no_store_for_workers(company: SampleCompany) -> None:
    config = load(configure(company, "file"), os.environ)
    assert not isinstance(place_of(config.store, config.store_path), Shared)
    with pytest.raises(Exception, match="no other machine can write"):
        open_store(config, 1)


@pytest.mark.parametrize(
    ("name", "changed"),
    [("ledger.json", '"rows":'), ("datapackage.json", '"title":'), ("bag-info.txt", "Payload-Oxum: "), ("RequestInfo.json", '"Subject":')],
)
def test_what_is_compared_of_packages_is_more_than_the_records(tmp_path: Path, name: str, changed: str) -> None:
    written = f'"seconds":0.3,"at":"2026-11-29T18:04:33.3Z","id":"one"\nBagging-Date: 2026-11-29\n2026-11-29 20:12 UTC\n{changed}1'
    (tmp_path / name).write_text(written)
    (tmp_path / "later").write_text(
        written.replace("0.3", "1.2e-05")
        .replace("18:04:33.3", "23:00:00")
        .replace("one", "two")
        .replace("2026-11-29\n", "2026-11-30\n")
        .replace("2026-11-29 20:12", "2026-11-30 00:00")
    )
    (tmp_path / "other").write_text(written + "1")
    assert name in DATED
    assert same_of(tmp_path / name, "one") == same_of(tmp_path / "later", "two")
    assert same_of(tmp_path / name, "one") != same_of(tmp_path / "other", "one")
