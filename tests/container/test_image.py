"""The image is built and used, by buildah in a chroot, on Debian's own Python instead of an image of a registry."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers.port import free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
CERTIFICATES = "/etc/ssl/certs"
ACCOUNT = 10001
SUITE = "bookworm"


class Images:
    """Images in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        (folder / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}', encoding="ascii")
        (folder / "registries.conf").write_text("unqualified-search-registries = []\n", encoding="ascii")
        self._policy = ["--signature-policy", str(folder / "policy.json"), "--pull-never"]
        self._command = ["buildah", "--root", str(folder / "images"), "--runroot", str(folder / "running")]
        self._environ = {**os.environ, "BUILDAH_ISOLATION": "chroot", "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf")}

    def do(self, *arguments: str) -> str:
        done = subprocess.run([*self._command, *arguments], env=self._environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout.strip()

    def base(self, tree: Path) -> None:
        """Make the image that others are built on from a tree of files."""
        container = self.do("from", *self._policy, "scratch")
        self.do("add", "--quiet", container, str(tree), "/")
        certificates = f"SSL_CERT_FILE={CERTIFICATES}/ca-certificates.crt"  # where this machine has its own
        self.do("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "--env", certificates, container)
        self.do("commit", "--quiet", *self._policy[:2], container, "localhost/base")

    def build(self, file: Path, name: str, *arguments: str) -> None:
        volume = ("--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro")
        given = ("--build-arg", "BASE=localhost/base", *arguments)
        self.do("bud", *self._policy, "--format", "docker", *volume, *given, "--file", str(file), "--tag", name, str(ROOT))

    def begin(self, name: str) -> str:
        return self.do("from", "--ulimit", "nofile=8192:8192", *self._policy, name)

    def run(self, container: str, *command: str) -> str:
        return self.do("run", container, "--", *command)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    folder = tmp_path_factory.mktemp("images")
    tree = ROOT / ".cache" / f"container-{SUITE}"
    if not (tree / "usr/bin/python3").exists():
        shutil.rmtree(tree, ignore_errors=True)
        packages = "--include=python3,python3-venv,ca-certificates"
        subprocess.run(["debootstrap", "--variant=minbase", packages, SUITE, str(tree)], check=True, capture_output=True)
    made = Images(folder)
    made.base(tree)
    yield made
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def container(images: Images) -> str:
    images.build(ROOT / "deploy" / "Containerfile", "localhost/rightful", "--build-arg", "LOCK=runtime", "--build-arg", "VERSION=1.2.3")
    return images.begin("localhost/rightful")


def test_image_does_the_main_job_as_a_user_who_can_write_nowhere_else(images: Images, container: str) -> None:
    assert images.run(container, "id", "-u") == str(ACCOUNT)
    assert "exported" in images.run(container, "rightful", "demo")
    look = "find / -xdev -maxdepth 3 -writable ! -type l ! -path '/proc*' ! -path '/dev*' 2>/dev/null || true"  # it may not look everywhere
    writable = images.run(container, "sh", "-c", look)
    kept = {line for line in writable.splitlines() if not line.startswith(("/var/lib/rightful", "/var/spool/rightful"))}
    assert kept <= {"/tmp", "/var/tmp", "/run/lock"}, kept


def test_service_in_it_is_healthy_by_its_own_check_and_comes_to_an_end_by_its_signal(images: Images, container: str) -> None:
    said = json.loads(images.do("inspect", "--type", "image", "localhost/rightful"))
    check = said["Docker"]["config"]["Healthcheck"]["Test"]
    assert check[0] == "CMD"
    port = free_port()  # a chroot has the machine's own network
    script = f"""
        set -eu
        cd /var/lib/rightful
        rightful init served >/dev/null && cd served && rightful dev-cert tls >/dev/null
        sed -i 's/^  listen: .*/  listen: 0.0.0.0:{port}/; s/^  # tls: {{cert/  tls: {{cert/' rightful.yaml
        mkdir -p files && sed -i 's/issuer: local/issuer: "https:\\/\\/issuer.example"/' rightful.yaml
        rightful serve --config rightful.yaml >served.log 2>&1 & service=$!
        for try in $(seq 60); do sleep 1; if python -c "$CHECK" 2>/dev/null; then echo healthy; break; fi; done
        kill -TERM $service; wait $service && echo ended || {{ cat served.log; exit 1; }}
        ! python -c "$CHECK" 2>/dev/null && echo gone
    """
    assert images.run(container, "env", f"CHECK={check[3].replace('8443', str(port))}", "sh", "-c", script).split() == [
        "healthy",
        "ended",
        "gone",
    ]


def test_nothing_that_builds_is_left_in_it(images: Images, container: str) -> None:
    found = images.run(
        container, "sh", "-c", "ls /opt; ls /opt/rightful/bin; find /opt -name '*.lock' -o -name uv -o -name hatchling -o -name pip"
    )
    assert found.split()[0] == "rightful"
    assert not {"pip", "uv", "hatch"} & set(found.split())
    assert "/opt/" not in found


def test_labels_user_and_volumes_are_said(images: Images, container: str) -> None:
    del container
    said: dict[str, Any] = json.loads(images.do("inspect", "--type", "image", "localhost/rightful"))["Docker"]["config"]
    assert said["User"] == f"{ACCOUNT}:{ACCOUNT}"
    assert said["Labels"]["org.opencontainers.image.version"] == "1.2.3"
    assert said["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert set(said["Volumes"]) == {"/var/lib/rightful", "/var/spool/rightful"}
    assert said["StopSignal"] == "SIGTERM"


def test_keys_and_configurations_beside_it_are_no_part_of_what_is_sent_to_the_builder(images: Images, tmp_path: Path) -> None:
    canary = ROOT / "canary.key"
    canary.write_text("5a" * 32, encoding="ascii")
    try:
        (tmp_path / "Containerfile").write_text("FROM localhost/base\nCOPY . /sent\n", encoding="ascii")
        images.build(tmp_path / "Containerfile", "localhost/sent")
    finally:
        canary.unlink()
    sent = images.run(images.begin("localhost/sent"), "sh", "-c", "cd /sent && find . -type f | grep -v '^./src/rightful/'").split()
    assert {Path(name).parts[0] for name in sent} == {"LICENSE", "README.md", "pyproject.toml", "requirements"}
