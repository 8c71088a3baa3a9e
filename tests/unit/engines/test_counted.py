"""What a worker counts is what the one that leads shows."""

import msgspec
from prometheus_client import CollectorRegistry

from rightful.engines.counted import Counted, Recorder, count
from rightful.meters import Meters
from rightful.metrics import PrometheusMeters


def happen(meters: Meters) -> None:
    for number in range(3):
        meters.written("orders", entries=2, rows=10 + number, size_bytes=1_000)
        meters.packaged(7, 9_000)
        meters.ended("complete")
    meters.written("mail", entries=1, rows=0, size_bytes=5)
    meters.ended("failed", "SourceRefused")
    meters.skipped("mail", 4)
    meters.leak_found("orders")
    meters.retried("orders")
    meters.retried("orders")
    meters.waited("StorageRefused")


def shown(registry: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    samples = (sample for metric in registry.collect() for sample in metric.samples)
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for each in samples
        if each.name.startswith("rightful_") and each.name.endswith("_total")
    }


def test_what_is_told_is_what_was_counted_and_is_told_once() -> None:
    direct, told, recorder = PrometheusMeters(), PrometheusMeters(), Recorder()
    happen(direct)
    happen(recorder)
    sent = msgspec.msgpack.encode(recorder.drain())
    for counted in msgspec.msgpack.decode(sent, type=tuple[Counted, ...]):
        count(counted, told)
    assert shown(told.registry) == shown(direct.registry)
    assert sum(value > 0 for value in shown(told.registry).values()) >= 12
    assert recorder.drain() == ()


def test_what_is_not_understood_is_left_out() -> None:
    meters = PrometheusMeters()
    before = shown(meters.registry)
    for strange in (Counted("close", (), 1), Counted("written", ("orders",), 1, (1,)), Counted("__init__", ("x",), 1)):
        count(strange, meters)
    assert shown(meters.registry) == before
