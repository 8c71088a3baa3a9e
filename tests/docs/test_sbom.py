"""The bill of materials is what the lock says, valid, the same each time, and leaves no licence open."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[2]


def made(lock: str, **environ: str) -> str:
    command = [sys.executable, str(ROOT / "deploy" / "sbom.py"), lock]
    return subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("lock", ["runtime", "extras"])
def test_document_is_valid_and_has_each_package_of_the_lock_with_its_licence(lock: str) -> None:
    text = made(lock)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document: dict[str, Any] = json.loads(text)
    pinned = set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", (ROOT / "requirements" / f"{lock}.lock").read_text(), re.MULTILINE))
    assert {(component["name"], component["version"]) for component in document["components"]} == pinned
    assert len(pinned) > 15
    for component in document["components"]:
        assert component["licenses"][0].get("expression") or component["licenses"][0]["license"]["name"], component["name"]
        assert any(each["name"] == "rightful:file-sha256" for each in component["properties"])
    refs = {component["bom-ref"] for component in document["components"]}
    tree = {each["ref"]: set(each["dependsOn"]) for each in document["dependencies"]}
    reached = set(tree[document["metadata"]["component"]["bom-ref"]])
    while more := {ref for found in reached for ref in tree[found]} - reached:
        reached |= more
    assert reached <= refs
    assert {ref for ref in refs if "colorama" not in ref} <= reached, "something is locked that nothing needs"


def test_same_lock_gives_the_same_bytes() -> None:
    assert made("runtime") == made("runtime")
    dated = json.loads(made("runtime", SOURCE_DATE_EPOCH="1700000000"))
    assert dated["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert dated["serialNumber"] != json.loads(made("runtime"))["serialNumber"]
