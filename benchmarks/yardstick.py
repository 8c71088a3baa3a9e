"""The yardstick: what a plain script takes for the same work.

A psycopg server-side cursor for each of the four queries, one JSON line a row, SHA-256 of each file while it is written, and an fsync
at the end. Nothing else: no matching, no ledger, no resuming. Run as a process of its own, so that its figures are its own:

    python -m benchmarks.yardstick URL MAIL FOLDER [--people N]
"""

import argparse
import datetime as dt
import decimal
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TypedDict

import psycopg
from psycopg.rows import dict_row

QUERIES = {
    "users": "SELECT * FROM users WHERE email = %(mail)s",
    "orders": "SELECT * FROM orders WHERE user_id = (SELECT id FROM users WHERE email = %(mail)s) ORDER BY id",
    "logins": "SELECT * FROM logins WHERE user_id = (SELECT id FROM users WHERE email = %(mail)s) ORDER BY id",
    "messages": "SELECT * FROM messages WHERE sender_email = %(mail)s ORDER BY id",
}
_FETCH_ROWS = 5_000


class Figures(TypedDict):
    """What one run took."""

    rows: int
    bytes: int
    wall_s: float
    cpu_s: float
    peak_rss_mib: float


def _plain(value: object) -> str:
    """Write what JSON has no form for."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, dt.date | decimal.Decimal):
        return str(value)
    raise TypeError(f"no form for {type(value).__name__}")


def export(connection: psycopg.Connection, mail: str, folder: Path) -> tuple[int, int]:
    """Write one person's rows below a folder; returns (rows, bytes)."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = size = 0
    manifest = []
    for name, query in QUERIES.items():
        digest = hashlib.sha256()
        with (folder / f"{name}.jsonl").open("wb") as target, connection.cursor(name, row_factory=dict_row) as cursor:
            cursor.itersize = _FETCH_ROWS
            cursor.execute(query, {"mail": mail})
            for row in cursor:
                line = json.dumps(row, default=_plain, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
                digest.update(line)
                target.write(line)
                rows += 1
                size += len(line)
            target.flush()
            os.fsync(target.fileno())
        manifest.append(f"{digest.hexdigest()}  {name}.jsonl\n")
    (folder / "manifest-sha256.txt").write_text("".join(manifest), encoding="utf-8")
    return rows, size


def measure(url: str, mail: str, folder: Path) -> Figures:
    """Run the yardstick as a process of its own and return its figures."""
    command = [sys.executable, "-m", "benchmarks.yardstick", url, mail, str(folder)]
    found = subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parent.parent)
    figures: Figures = json.loads(found.stdout)
    return figures


def main() -> None:
    """Export one person, or several in turn, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("mail")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=1, help="export so many, each with its number from 1 on for {} in MAIL")
    arguments = parser.parse_args()
    started, cpu = time.perf_counter(), time.process_time()
    with psycopg.connect(arguments.url) as connection:
        mails = [arguments.mail.format(number + 1) for number in range(arguments.people)]
        found = [export(connection, mail, arguments.folder / mail) for mail in mails]
    rows, size = (sum(each) for each in zip(*found, strict=True))
    figures = Figures(
        rows=rows,
        bytes=size,
        wall_s=time.perf_counter() - started,
        cpu_s=time.process_time() - cpu,
        peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )
    json.dump(figures, sys.stdout)
    print()


if __name__ == "__main__":
    main()
