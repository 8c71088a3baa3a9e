"""The wire under load: submits and polls from 64 connections, beside a bare Starlette handler that does the same, in turn."""

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import cycle, islice
from pathlib import Path

from benchmarks import load
from benchmarks.beside import Server, serving
from benchmarks.cluster import CACHE
from benchmarks.figures import Figure, median_of, spread
from benchmarks.load import Load
from benchmarks.service import ACCOUNT, configure, mint_token

PEOPLE = 3_000
POLLED = 200
POLLS = 10_000
CONNECTIONS = 64
_CASE = "64 connections"
_SAS = "sv=2024-11-04&sr=c&sp=cw&se=2099-01-01T00%3A00%3A00Z&sig=c2lnbmF0dXJlLW9mLXRoZS1iZW5jaG1hcms%3D"


def wire(_cluster: object, runs: int) -> list[Figure]:
    """Submit to a folder, submit to a blob service, and poll; ours and the bare one in turn, each time afresh."""
    found: dict[str, dict[str, list[Load]]] = {name: {"ours": [], "bare": []} for name in ("folder", "blobs", "poll")}
    costs: dict[str, dict[str, list[float]]] = {name: {"ours": [], "bare": []} for name in found}
    with serving("benchmarks.sink") as sink:
        for _ in range(runs):
            for who in ("ours", "bare"):
                with ExitStack() as stack:
                    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wire-", dir=CACHE)))
                    config, token = _configure(folder, sink.address)
                    server = stack.enter_context(serving("benchmarks.wire_server", who, config))
                    for name, requests in _work(server, token, sink.address):
                        before = server.cpu_s()
                        answered = load.run(server.address, requests, connections=CONNECTIONS)
                        costs[name][who].append(1e6 * (server.cpu_s() - before) / answered.answers.total())
                        found[name][who].append(answered)
    for name, both in found.items():
        _expect(name, both["ours"])
        _expect(name, both["bare"])
    return [
        *_figures("submit to a folder", found["folder"], costs["folder"], target=1_000),
        *_figures("submit by SAS", found["blobs"], costs["blobs"], target=400),
        *_figures("poll", found["poll"], costs["poll"], target=3_500),
    ]


def _work(server: Server, token: str, sink: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield the requests of each kind; a few before them, that don't count, open what a service opens once."""
    blobs = f"{sink}/account/container?{_SAS}"
    warm = islice(_submits(token, ACCOUNT, "warm"), CONNECTIONS)
    load.run(server.address, warm)
    yield "folder", _submits(token, ACCOUNT, "user")
    load.run(server.address, islice(_submits(token, blobs, "warm"), CONNECTIONS))
    yield "blobs", _submits(token, blobs, "user")
    yield "poll", _polls(server.address, token)


def _submits(token: str, location: str, who: str) -> Iterator[bytes]:
    body = json.dumps({"storageLocation": location}).encode()
    for number in range(PEOPLE):
        yield load.request("POST", f"/v1.0/users/{who}{number}@example.com/exportPersonalData", token=token, body=body)


def _polls(address: str, token: str) -> Iterator[bytes]:
    paths = [f"/v1.0/dataPolicyOperations/{operation}" for operation in _operations(address, token)]
    return (load.request("GET", path, token=token) for path in islice(cycle(paths), POLLS))


def _operations(address: str, token: str) -> list[str]:
    """Submit once more, one by one, to learn some operations' ids."""
    from urllib.request import Request, urlopen  # noqa: PLC0415

    found = []
    for number in range(POLLED):
        body = json.dumps({"storageLocation": ACCOUNT}).encode()
        url = f"{address}/v1.0/users/poll{number}@example.com/exportPersonalData"
        with urlopen(Request(url, body, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})) as answer:
            found.append(answer.headers["Location"].rpartition("/")[2])
    return found


def _expect(name: str, loads: list[Load]) -> None:
    right = {200} if name == "poll" else {202}
    wrong = [answers for answers in (loaded.answers for loaded in loads) if set(answers) != right]
    if wrong:
        raise RuntimeError(f"{name}: answered {wrong}")


def _figures(name: str, loads: dict[str, list[Load]], costs: dict[str, list[float]], *, target: float) -> list[Figure]:
    ours, bare = ([loaded.per_second for loaded in loads[who]] for who in ("ours", "bare"))
    ratios = [one / other for one, other in zip(costs["ours"], costs["bare"], strict=True)]
    theirs = spread(costs["bare"], "µs")
    return [
        Figure(
            case=_CASE,
            name=f"{name}, a second",
            value=sorted(ours)[len(ours) // 2],
            unit="",
            target=target,
            is_less_better=False,
            rival=f"bare Starlette {spread(bare, '')}",
            runs=tuple(ours),
        ),
        median_of(_CASE, f"{name}, p99", [loaded.p99_ms for loaded in loads["ours"]], "ms", target=100),
        median_of(_CASE, f"{name}, CPU of a request beside the bare handler's", ratios, "", target=2, rival=f"bare Starlette {theirs}"),
    ]


def _configure(folder: Path, sink: str) -> tuple[Path, str]:
    """Write a configuration, a directory of people and one source that nothing is read of; return its path and a token."""
    (folder / "source").mkdir()
    with closing(sqlite3.connect(folder / "people.db")) as database:
        database.execute("CREATE TABLE people (id TEXT PRIMARY KEY, upn TEXT)")
        database.execute("CREATE UNIQUE INDEX people_upn ON people (upn)")
        people = ((f"{kind}-{number:08d}", f"{kind}{number}@example.com") for kind in ("user", "warm", "poll") for number in range(PEOPLE))
        database.executemany("INSERT INTO people VALUES (?, ?)", people)
        database.commit()
    tenant = {
        "storage": {"allow": [sink.removeprefix("http://")], "accounts": {ACCOUNT: {"url": f"file://{folder}/exports"}}},
        "directory": {"connector": "sql", "url": "sqlite:///people.db", "table": "people", "id": "id", "upn": "upn"},
        "sources": {"files": {"connector": "files", "url": f"file://{folder}/source", "path": "{upn}/"}},
    }
    return configure(folder, tenant), mint_token(folder)
