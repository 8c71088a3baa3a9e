"""`make sbom`: what an installation consists of, as a CycloneDX 1.6 document made from a lock file.

    python deploy/sbom.py runtime|extras [> rightful.cdx.json]

Versions and hashes are the lock's, for every platform it is for; licences and dependencies are those that the installed packages state. The
same lock gives the same bytes: no time and no random number is in it (SOURCE_DATE_EPOCH adds its time).
"""

import json
import os
import re
import sys
import uuid
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_NAMESPACE = uuid.UUID("6a2c1c0e-8c53-5d0b-9a64-0a5b3b8f2f9e")
_PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)([^\\\n]*)((?:.|\n    )*)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SPDX = {
    "MIT": "MIT",
    "MIT License": "MIT",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD-3-Clause": "BSD-3-Clause",
    "BSD 3-Clause": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "EPL-2.0 OR GPL-2.0-or-later": "EPL-2.0 OR GPL-2.0-or-later",
    "New BSD": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache-2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "ISC License (ISCL)": "ISC",
}
_ELSEWHERE = {"colorama": "BSD-3-Clause", "tzdata": "Apache-2.0", "pywin32": "PSF-2.0"}
"""Packages for other systems, which are not installed here to be asked."""


def components(lock: str) -> Iterator[dict[str, Any]]:
    """Yield each package of a lock file, by name."""
    for found in sorted(_PINNED.finditer(lock), key=lambda each: (each[1], each[2])):
        name, version, marker, rest = found[1], found[2], found[3].strip(" ;"), found[4]
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": reference(name, version),
            "name": name,
            "version": version,
            "purl": reference(name, version),
            "licenses": [licence(name)],
            # A lock has a hash for each file of a release; which of them is installed depends on the system.
            "properties": [{"name": "rightful:file-sha256", "value": value} for value in sorted(_HASH.findall(rest))],
        }
        if marker:
            component["properties"].append({"name": "rightful:only-where", "value": marker})
            component["scope"] = "optional"
        yield component


def reference(name: str, version: str) -> str:
    """Return a package's purl."""
    return f"pkg:pypi/{name}@{version.replace('+', '%2B')}"


def licence(name: str) -> dict[str, Any]:
    """Return what a package says of its licence, as an SPDX expression where it can be read as one."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return {"expression": _ELSEWHERE[name]}
    expression = said.get("License-Expression")
    if expression:
        return {"expression": expression}
    classified = [each.rpartition(" :: ")[2] for each in said.get_all("Classifier", []) if each.startswith("License :: OSI Approved ::")]
    for text in (said.get("License") or "", *classified):
        if text in _SPDX:
            return {"expression": _SPDX[text]}
    short = (said.get("License") or "").strip().partition("\n")[0]
    if not short and not classified:
        raise SystemExit(f"sbom: {name} states no licence that can be read")
    return {"license": {"name": short or classified[0]}}


def dependencies(versions: Mapping[str, Collection[str]]) -> Iterator[dict[str, Any]]:
    """Yield what each package needs of the others; of some there is another version for another Python."""
    for name, found in sorted(versions.items()):
        for version in sorted(found):
            yield {"ref": reference(name, version), "dependsOn": sorted(_needs(name, versions))}


def _needs(name: str, versions: Mapping[str, Collection[str]]) -> set[str]:
    try:
        required = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return set()
    names = {re.sub(r"[-_.]+", "-", found[0]).lower() for text in required if (found := _NAME.match(text))}
    return {reference(each, version) for each in names & versions.keys() if each != name for version in versions[each]}


def document(lock: str, version: str) -> dict[str, Any]:
    """Return the whole document for a lock file's text."""
    found = list(components(lock))
    versions: dict[str, set[str]] = {}
    for component in found:
        versions.setdefault(component["name"], set()).add(component["version"])
    ours = {
        "type": "application",
        "bom-ref": reference("rightful", version),
        "name": "rightful",
        "version": version,
        "purl": reference("rightful", version),
        "licenses": [{"expression": "Apache-2.0"}],
    }
    said: dict[str, Any] = {"component": ours, "lifecycles": [{"phase": "pre-build"}]}
    if "SOURCE_DATE_EPOCH" in os.environ:
        said["timestamp"] = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC).isoformat()
    own = {"ref": ours["bom-ref"], "dependsOn": sorted(_needs("rightful", versions))}
    body = {"metadata": said, "components": found, "dependencies": [own, *dependencies(versions)]}
    serial = uuid.uuid5(_NAMESPACE, json.dumps(body, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1, **body}


def main() -> None:
    """Write the document for the lock that the command line names."""
    (name,) = sys.argv[1:] or ["runtime"]
    text = (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    json.dump(document(text, metadata.version("rightful")), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
