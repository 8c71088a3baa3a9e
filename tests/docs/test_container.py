"""What the image and its neighbours are made from is as strict as it says, and names files that there are."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
COMPOSE = ROOT / "deploy" / "compose.yaml"
REQUIREMENTS = ROOT / "requirements"


def stages() -> list[str]:
    joined = CONTAINERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.split(r"^FROM ", joined, flags=re.MULTILINE)[1:]


def pins(name: str) -> dict[str, str]:
    """Return each package of a lock file with its version and hashes."""
    text = (REQUIREMENTS / f"{name}.lock").read_text(encoding="utf-8")
    return {found[1]: found[2] for found in re.finditer(r"^([a-z0-9][a-z0-9._-]*)==((?:.|\n    )*)", text, re.MULTILINE)}


def test_linter_has_nothing_to_say() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, str(CONTAINERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_service_runs_without_root_and_nothing_is_installed_where_it_runs() -> None:
    *_, last = stages()
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert not re.search(r"\b(pip|uv|apt|apt-get|gcc)\b", re.sub(r"^#.*$", "", last, flags=re.MULTILINE))


def test_all_that_is_installed_is_checked_by_its_hash() -> None:
    text = "".join(stages())
    installs = [command for command in re.split(r"&&|\n", text) if re.search(r"(pip install|uv build)", command)]
    assert len(installs) == 4
    assert all("--require-hashes" in command or "--no-deps" in command for command in installs)


def test_files_that_are_copied_exist() -> None:
    first = stages()[0]
    names = [name for line in re.findall(r"^COPY (.*)$", first, re.MULTILINE) for name in line.split()[:-1]]
    assert names
    for name in names:
        for lock in ("runtime", "extras"):
            assert (ROOT / name.replace("${LOCK}", lock)).exists(), name


@pytest.mark.parametrize("name", ["runtime", "extras", "build"])
def test_lock_has_a_hash_for_each_package(name: str) -> None:
    found = pins(name)
    assert found
    assert all("--hash=sha256:" in pin for pin in found.values())


def test_both_locks_of_the_image_have_the_same_versions() -> None:
    runtime, extras = pins("runtime"), pins("extras")
    assert runtime.keys() < extras.keys()
    assert {name: extras[name].split()[0] for name in runtime} == {name: pin.split()[0] for name, pin in runtime.items()}
    dev = pins("dev")
    assert {name: dev[name].split()[0] for name in extras if name in dev} == {
        name: pin.split()[0] for name, pin in extras.items() if name in dev
    }


def test_compose_takes_all_rights_away() -> None:
    service = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["rightful"]
    assert (service["read_only"], service["cap_drop"], service["user"]) == (True, ["ALL"], "10001:10001")
    assert "no-new-privileges:true" in service["security_opt"]
    build = service["build"]
    assert (COMPOSE.parent / build["context"] / build["dockerfile"]).resolve() == CONTAINERFILE
    volumes = {volume.split(":")[1] for volume in service["volumes"]}
    declared = re.search(r'^VOLUME \["(.*)"\]$', stages()[-1], re.MULTILINE)
    assert declared
    assert set(declared[1].split('", "')) < volumes
