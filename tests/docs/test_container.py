"""What the image and its neighbours are made from is as strict as it says, and names files that there are."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import yaml
from tests.docs.commands import check_command
from tests.servers.postgres import PostgresServer

from rightful.cli import main
from rightful.config.load import load

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
COMPOSE = ROOT / "deploy" / "compose.yaml"
CLUSTER = ROOT / "deploy" / "compose-dask.yaml"
MANY_MACHINES = ROOT / "docs" / "howto" / "many-machines.md"
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


def cluster() -> Any:
    return yaml.safe_load(CLUSTER.read_text(encoding="utf-8"))


def test_cluster_of_compose_takes_all_rights_away() -> None:
    found = cluster()
    assert set(found["services"]) == {"service-1", "service-2", "scheduler", "worker-1", "worker-2", "database"}
    for name, service in found["services"].items():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert int(service["user"].partition(":")[0]) > 0
        assert service["mem_limit"]
        assert ("ports" in service) == name.startswith("service-")
    inner = {name for name, service in found["services"].items() if service["networks"] == ["inner"]}
    assert (inner, found["networks"]["inner"]) == ({"scheduler", "database"}, {"internal": True})


def test_parts_of_the_cluster_of_compose_see_what_they_need_and_no_more() -> None:
    found = cluster()
    named = {volume.partition(":")[0] for service in found["services"].values() for volume in service["volumes"]}
    assert {name for name in named if not name.startswith(".")} == set(found["volumes"])
    for name, service in found["services"].items():
        mounted = {volume.split(":")[1] for volume in service["volumes"]}
        assert ("/etc/rightful" in mounted) == name.startswith("service-")
        assert ("environment" in service) == (not name.startswith("worker-"))
        if name.startswith(("service-", "worker-")):
            assert "shared:/var/lib/rightful" in service["volumes"]  # what all of them write to
        if name.startswith(("scheduler", "worker-")):
            words = [*service.get("entrypoint", ["rightful"]), *service["command"]]
            check_command(words, sorted(mounted))
            assert service["healthcheck"] == {"disable": True}  # the image's asks for a service
    spools = [volume for service in found["services"].values() for volume in service["volumes"] if volume.startswith("spool-")]
    assert len(set(spools)) == len(spools) == 4


def test_command_that_the_page_has_for_a_scheduler_shows_nothing_to_anybody() -> None:
    (line,) = re.findall(r"^ +(dask scheduler .*)$", MANY_MACHINES.read_text(encoding="utf-8"), re.MULTILINE)
    check_command(line.split())


def test_configuration_that_the_page_has_for_compose_is_taken(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(server: .*?)```", MANY_MACHINES.read_text(encoding="utf-8").replace("\n   ", "\n"), re.DOTALL)
    written = yaml.safe_load(block)
    assert main(["init", str(tmp_path / "config")]) == 0
    path = tmp_path / "config" / "rightful.yaml"
    document = {**yaml.safe_load(path.read_text(encoding="utf-8")), **written}
    document["tenants"][0]["identity"] = {"issuers": [{"issuer": "https://login.contoso.example/", "audience": ["api://rightful"]}]}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    for name, service in cluster()["services"].items():
        if name.startswith("service-"):
            config = load(path, {**service["environment"], "RIGHTFUL_STORE_PASSWORD": "a b"})
            assert config.server.own_address == f"https://{service['hostname']}:8443"
            mounts = [volume.split(":")[1] for volume in service["volumes"]]
            assert all(str(file.parent) in mounts for file in map(Path, (config.dask.ca, config.dask.cert, config.dask.key)))


@pytest.mark.postgres
def test_account_of_the_cluster_of_compose_is_no_superuser(postgres: PostgresServer) -> None:
    psql = shutil.which("psql") or next(iter(sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/psql")))), None)
    assert psql is not None
    script = CLUSTER.with_name("database.sql")
    environ = {"RIGHTFUL_STORE_PASSWORD": 'it\'s \\ "quoted"', "PATH": os.environ["PATH"]}
    subprocess.run([psql, "-X", "-q", "-d", postgres.url(), "-f", str(script)], check=True, env=environ)
    try:
        with psycopg.connect(postgres.url("rightful", user="rightful", password=quote(environ["RIGHTFUL_STORE_PASSWORD"]))) as connection:
            found = connection.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user").fetchone()
        assert found == (False, False)
    finally:
        postgres.execute("DROP DATABASE rightful")
        postgres.execute("DROP ROLE rightful")


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
