"""Prometheus, of Debian's package: its checker, and the server on a free port."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.port import free_port
from tests.servers.process import running, skip_without, stop, wait_for

_UNPACKED = Path(__file__).parents[2] / ".cache" / "prometheus" / "usr" / "bin"


def program(name: str) -> str:
    """Return the path of `promtool` or `prometheus`; skips the test where it is not there."""
    found = shutil.which(name) or shutil.which(name, path=str(_UNPACKED))
    if found is None:
        skip_without("Prometheus")
    return found


class PrometheusServer:
    """Scrapes one service every second."""

    def __init__(self, folder: Path, target: str, rules: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        jobs = [{"job_name": "rightful", "static_configs": [{"targets": [target]}]}]
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(rules)], "scrape_configs": jobs}
        (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML

    def start(self) -> None:
        command = [program("prometheus"), f"--config.file={self._folder}/prometheus.yml", f"--storage.tsdb.path={self._folder}/data"]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, f"--web.listen-address=127.0.0.1:{self._port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for(self._process, self._port, name="Prometheus", limit_s=60)

    def stop(self) -> None:
        stop(self._process, limit_s=30)

    def ask(self, path: str, **parameters: str) -> Any:
        """Return what an API of the server answers, which must be a success."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            found = json.load(answer)
        assert found["status"] == "success", found
        return found["data"]


@contextmanager
def scraping(target: str, rules: Path) -> Iterator[PrometheusServer]:
    """Run a server that scrapes an address until left."""
    program("prometheus")
    with running(lambda folder: PrometheusServer(folder, target, rules), "prometheus") as server:
        yield server
