"""What others' tools say of a package: sha256sum, bagit and frictionless."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import bagit
from frictionless import Package


def unpack(blobs: Mapping[str, bytes], folder: Path, prefix: str = "") -> Path:
    """Write the blobs of one package into a new folder, which is returned."""
    for path, content in blobs.items():
        if path.startswith(prefix):
            target = folder / path.removeprefix(prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    return folder


def refusals(package: Path) -> list[str]:
    """Return what the tools find wrong; nothing where all accept the package."""
    found = []
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        command = ["sha256sum", "--strict", "--quiet", "-c", manifest]
        checked = subprocess.run(command, cwd=package, check=False, capture_output=True, text=True)
        found += [f"sha256sum {manifest}: {checked.stdout}{checked.stderr}"] if checked.returncode else []
    try:
        bagit.Bag(str(package)).validate()
    except bagit.BagError as error:
        found.append(f"bagit: {error}")
    report = Package(str(package / "datapackage.json")).validate()
    return found + [f"frictionless: {note}" for note in report.flatten(["name", "type", "note"])]
