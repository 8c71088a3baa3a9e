"""A sealed package from end to end, by the commands: nothing of the person and no passphrase is seen anywhere, and the key opens all of it.

The service is killed in between: it goes on with the same names, though the storage location can only be created in.
"""

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.acceptance import delivered
from tests.acceptance.large import SECOND_GROUP, SlowSimulator, configured
from tests.acceptance.service import RunningService, eventually, rightful
from tests.acceptance.test_secrets import found_in, text_forms

from rightful.age.keys import Identity
from rightful.package.readers import FolderReader
from rightful.package.verify import PackageState, verify
from rightful.sample.company import SampleCompany
from rightful.sample.oracle import Oracle

pytestmark = pytest.mark.acceptance

KEPT = ("onedrive", "customers", "orders", "activity")
KEY = Identity(bytes(range(32)))
PASSPHRASE = "Tr0ub4dor & drei/vier+fünf"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lay(folder: Path, entries: dict[str, bytes]) -> Path:
    for path, content in entries.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def check(opened: Path, oracle: Oracle, object_id: str) -> None:
    found = verify(FolderReader(opened))
    assert (found.state, found.findings) == (PackageState.WHOLE, ())
    expected, read = oracle.expected(object_id), delivered.read(opened)  # type: ignore[arg-type]
    assert {name: read[name] for name in KEPT} == {name: expected[name] for name in KEPT}


def test_sealed_packages_tell_nothing_and_open_with_their_keys(
    company: SampleCompany, oracle: Oracle, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    config = configured(company, "sealed", readings, simulator.host)
    service = RunningService(company, config, environ={"RIGHTFUL_LOG_LEVEL": "DEBUG", "TMPDIR": str(tmp_path)})
    ann, zoe = company.person("ann"), company.person("zoe")
    names = {str(path).rpartition("/")[2] for person in (ann, zoe) for path in oracle.expected(person.object_id)["onedrive"]}
    said = (
        [person.canary.encode() for person in (ann, zoe)]
        + [name.encode() for name in names - {"RequestInfo.json"} if len(name) > 8]
        + [b"part-00000", b"onedrive/"]
    )
    secrets = [*text_forms(PASSPHRASE), KEY.write().encode()]
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n", encoding="utf-8")
    (tmp_path / "key.txt").write_text(KEY.write(), encoding="ascii")
    passphrase_file = tmp_path / "passphrase"

    def command(*arguments: str) -> str:
        done = service.command(*arguments, "--server", f"https://localhost:{service.port}", "--tenant", "Contoso")
        assert done.returncode == 0, done.stderr
        service.answers += [done.stdout.encode(), done.stderr.encode()]
        return done.stdout

    with service:
        local = command("export", ann.upn, "--to", company.storage_account, "--passphrase-file", str(passphrase_file), "--no-wait").strip()
        assert service.complete(local)["sealedTo"] == "passphrase"
        simulator.delay_s = 0.02
        body = {"storageLocation": simulator.sas_url("sealed", "c"), "recipient": str(KEY.recipient)}
        operation_id = service.call("POST", f"/v1.0/users/{zoe.upn}/exportPersonalData", body).operation_id
        eventually(lambda: len(simulator.blobs("sealed")) > 10, "some entries are there")
        service.kill()
        before = simulator.blobs("sealed")
        service.start()
        assert service.complete(operation_id)["sealedTo"] == str(KEY.recipient)
        command("requests", "show", local)
        after = simulator.blobs("sealed")
        assert before.items() <= after.items()
        assert not any(SECOND_GROUP in path for path in after)
        places = {f"store {path.name}": path.read_bytes() for path in config.parent.joinpath("var", "sealed").iterdir() if path.is_file()}
        places |= {"log": service.log_path.read_bytes()}
        places |= {f"answer {number}": answer for number, answer in enumerate(service.answers)}
        places |= {f"/proc {name}": Path(f"/proc/{service.pid}/{name}").read_bytes() for name in ("cmdline", "environ")}
        package = company.folder / "exports" / local
        stored = {path.encode().decode(): content for path, content in (contents(package) | after).items()}
        assert [name for name, content in (places | stored).items() if found_in(name.encode() + content, secrets)] == []
        assert [name for name, content in stored.items() if found_in(name.encode() + content, said)] == []
        assert [name for name in places if name.startswith("store ") and found_in(places[name], said[:2])] == []

    def unsealed(folder: Path, to: str, *options: str) -> Path:
        assert rightful("verify", str(folder)).stdout.startswith("sealed: ")
        done = rightful("unseal", str(folder), "--to", str(tmp_path / to), *options)
        assert done.returncode == 0, done.stderr
        return tmp_path / to

    check(unsealed(package, "local", "--passphrase-file", str(passphrase_file)), oracle, ann.object_id)
    blobs = {path.removeprefix(f"{operation_id}/"): content for path, content in after.items()}
    remote = lay(tmp_path / "remote", blobs)
    check(unsealed(remote, "zoe", "--identity", str(tmp_path / "key.txt")), oracle, zoe.object_id)
    assert rightful("unseal", str(package), "--to", str(tmp_path / "no"), "--identity", str(tmp_path / "key.txt")).returncode == 1
    if shutil.which("age"):
        index = subprocess.run(
            ["age", "-d", "-i", tmp_path / "key.txt", remote / "sealed" / "index.age"], capture_output=True, check=True
        ).stdout
        assert len(index.splitlines()) == len(contents(tmp_path / "zoe")) - 1
