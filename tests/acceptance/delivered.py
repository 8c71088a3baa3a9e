"""What a package holds, read back by a stranger's means: its ledger, its folders and json."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rightful.sample.oracle import Expected, Record, canonical

CANARY = re.compile(rb"canary-[0-9a-f]{16}")


def ledger(package: Path) -> Mapping[str, Any]:
    """Return what the ledger says of each source."""
    sources: Mapping[str, Any] = json.loads((package / "ledger.json").read_bytes())["sources"]
    return sources


def read(package: Path) -> Expected:
    """Return source to rows (sorted as the oracle's) or to files: original path to SHA-256."""
    return {name: _files(package, said) if said["connector"] == "files" else _rows(package, said) for name, said in ledger(package).items()}


def skipped(package: Path, source: str) -> list[str]:
    """Return what the ledger says could not be read, sorted."""
    return sorted(item["path"] for item in ledger(package)[source]["skipped"])


def canaries(package: Path, *sources: str) -> set[str]:
    """Return whose canaries stand anywhere in some sources' entries."""
    folders = [package / said["folder"] for name, said in ledger(package).items() if name in sources]
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {found.decode() for path in paths for found in CANARY.findall(path.read_bytes())}


def _rows(package: Path, said: Mapping[str, Any]) -> list[Record]:
    superseded = {entry["path"] for entry in said["superseded"]}
    parts = sorted(path for path in (package / said["folder"]).glob("part-*.jsonl") if str(path.relative_to(package)) not in superseded)
    return sorted((json.loads(line) for path in parts for line in path.read_bytes().splitlines()), key=canonical)


def _files(package: Path, said: Mapping[str, Any]) -> dict[str, str]:
    folder = package / said["folder"]
    originals = {item["entry"]: _original(item) for item in said["names"]}
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            entry = str(path.relative_to(package))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[originals.get(entry, str(path.relative_to(folder)))] = digest
    return found


def _original(item: Mapping[str, str]) -> str:
    """Return a file's own path, byte for byte."""
    if "originalBytes" in item:
        return base64.b64decode(item["originalBytes"]).decode("utf-8", "surrogateescape")
    return item["original"]
