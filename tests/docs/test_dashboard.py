"""The dashboard and the alerts name metrics and labels that there are."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.servers.prometheus import program

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "rightful.json"
RULES = ROOT / "deploy" / "prometheus" / "rightful.rules.yaml"
PAGE = ROOT / "docs" / "howto" / "watch-the-service.md"

SCRAPED = {"job", "instance"}
"""Labels that Prometheus adds."""
OTHERS: dict[str, set[str]] = {
    "up": set(),
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
    "process_open_fds": set(),
    "process_max_fds": set(),
}
"""Metrics that the table does not name one by one."""
_WORDS = {"sum", "by", "rate", "increase", "histogram_quantile", "or", "and", "unless", "offset", "vector", "le", "on"}


def described() -> dict[str, set[str]]:
    """Return each metric's labels as the documentation has them, which tests/docs/test_metrics.py holds to the code."""
    found = {}
    for names, labels in re.findall(r"^\| (`rightful_[^|]*) \| ([^|]*)\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            found[name] = set(re.findall(r"\w+", labels))
    return {**found, **OTHERS}


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def dashboard_expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel.get("targets", ())]


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def named(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each metric that an expression names, with the labels that it is chosen by, and "" with those that are grouped by."""
    plain = re.sub(r'"[^"]*"', '""', expression)
    for metric, chosen in re.findall(r"\b([a-z]+(?:_[a-z]+)+|up)\b(?:\{([^}]*)\})?", plain):
        if metric not in _WORDS:
            yield metric, set(re.findall(r"(\w+)\s*[=!]", chosen))
    for grouped in re.findall(r"\bby \(([^)]*)\)", plain):
        yield "", set(re.findall(r"\w+", grouped))


def check(expression: str) -> None:
    there = described()
    grouped: set[str] = set()
    had: set[str] = set()
    for metric, labels in named(expression):
        if not metric:
            grouped |= labels
            continue
        base = re.sub(r"_(bucket|sum|count)$", "", metric) if metric not in there else metric
        assert base in there, f"no metric {metric}: {expression}"
        has = there[base] | ({"le"} if metric.endswith("_bucket") else set())
        assert labels <= has | SCRAPED, f"{metric} has no label {labels - has - SCRAPED}: {expression}"
        had |= has
    assert grouped <= had | SCRAPED, f"grouped by {grouped - had}: {expression}"


@pytest.mark.parametrize("expression", dashboard_expressions())
def test_dashboard_names_what_there_is(expression: str) -> None:
    check(expression)


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_alert_names_what_there_is(rule: dict[str, Any]) -> None:
    check(rule["expr"])
    labels = {label for text in rule["annotations"].values() for label in re.findall(r"\$labels\.(\w+)", text)}
    grouped = {label for metric, labels in named(rule["expr"]) if not metric for label in labels}
    assert labels <= grouped
    for page in re.findall(r"docs/[\w/-]+\.md", " ".join(rule["annotations"].values())):
        assert (ROOT / page).exists()


@pytest.mark.parametrize(
    "wrong", ["rightful_operation_open", 'sum(rightful_reads_open{stat="waiting"})', "sum by (tenants) (rightful_operations_open)"]
)
def test_wrong_names_are_noticed(wrong: str) -> None:
    with pytest.raises(AssertionError):
        check(wrong)


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {re.sub(r"_(bucket|sum|count)$", "", metric) for each in dashboard_expressions() for metric, _ in named(each)}
    assert {name for name in described() if name.startswith("rightful_")} <= shown


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    assert all(target["datasource"]["uid"] == "${datasource}" for panel in panels() for target in panel.get("targets", ()))


def plain(expression: str) -> str:
    """Return an expression of the dashboard as Prometheus is asked it."""
    return expression.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$job", "rightful")


def test_prometheus_understands_both(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": plain(each)} for number, each in enumerate(dashboard_expressions())]
    (tmp_path / "dashboard.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    for path in (tmp_path / "dashboard.yaml", RULES):
        done = subprocess.run([program("promtool"), "check", "rules", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_alerts_are_raised_by_what_they_are_for() -> None:
    tests = Path(__file__).parent / "rightful.rules.test.yaml"
    done = subprocess.run([program("promtool"), "test", "rules", str(tests)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
