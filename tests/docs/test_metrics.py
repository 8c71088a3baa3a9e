"""Every metric and each of its labels is described."""

import re
from pathlib import Path

from rightful.meters import Backlog
from rightful.metrics import PrometheusMeters

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "watch-the-service.md"


def test_every_metric_is_described_and_no_other() -> None:
    meters = PrometheusMeters()
    meters.watch(lambda: Backlog(open_by_tenant={"t": 1}, not_started=1, reads={"pending": 1}, recorded_by_tenant={"t": 1}))
    meters.watch_directories(lambda: {"t": True})
    meters.request("GET", "operation", 200, 0.1)
    meters.token_refused("expired")
    meters.accepted()
    meters.ended("complete")
    meters.packaged(1, 1)
    meters.written("orders", entries=1, rows=1, size_bytes=1)
    meters.skipped("orders", 1)
    meters.leak_found("orders")
    meters.retried("orders")
    meters.waited("StorageRefused")
    meters.due("t", soon=1, over=1)
    meters.posted("delivered")
    meters.purged("operations", 1)
    found = {}
    for metric in meters.registry.collect():
        if metric.name.startswith("rightful_"):
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            found[name] = {label for sample in metric.samples for label in sample.labels} - {"le"}
    described = {}
    for names, labels in re.findall(r"^\| (`rightful_[^|]*) \| ([^|]*)\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            described[name] = set(re.findall(r"\w+", labels))
    assert described == found
