"""Local folders: what is visible when, what survives, and what is refused."""

import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from tests.contract.open_files import open_below

from rightful.errors import EntryConflict, Refusal, StorageError, StorageRefused, StorageUnavailable
from rightful.storage.group_sync import MANY_FILES, MOST_PENDING, most_pending
from rightful.storage.interface import Put
from rightful.storage.local import LocalStorage
from rightful.storage.local_errors import translate


@pytest.fixture(params=[True, False], ids=["unnamed", "hidden"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "exports", unnamed_files=bool(request.param))


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_nothing_has_a_name_before_the_sync(storage: LocalStorage, tmp_path: Path) -> None:
    storage.put("p/a", [b"x"], size_bytes=1)
    assert list(storage.list("")) == []
    assert not any(name.startswith("p") for name in names(tmp_path / "exports"))
    storage.sync()
    assert names(tmp_path / "exports") == {"p/a"}
    storage.close()


def test_what_was_not_synced_is_gone_after_close(storage: LocalStorage, tmp_path: Path) -> None:
    storage.put("a", [b"x"], size_bytes=1)
    storage.close()
    assert names(tmp_path / "exports") == set()


def test_files_and_folders_are_the_services_own(storage: LocalStorage, tmp_path: Path) -> None:
    storage.put("p/q/a", [b"x"], size_bytes=1)
    storage.sync()
    storage.close()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "exports").rglob("*")}
    assert modes == {"p": 0o700, "q": 0o700, "a": 0o600}
    assert stat.S_IMODE((tmp_path / "exports").stat().st_mode) == 0o700


def test_many_files_are_synced_in_between_and_none_is_lost(storage: LocalStorage, tmp_path: Path) -> None:
    before = open_below(tmp_path)
    count = 3 * most_pending() + 7
    for number in range(count):
        storage.put(f"p/{number % 40:02d}/{number}", [b"%d" % number], size_bytes=len(str(number)))
        assert open_below(tmp_path) <= before + most_pending() + 3
    storage.sync()
    assert len(names(tmp_path / "exports")) == count
    assert (tmp_path / "exports/p/06/6").read_bytes() == b"6"
    storage.close()
    assert open_below(tmp_path) == before


def test_fewer_files_wait_where_the_process_may_open_few() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few, many = 1024, MANY_FILES
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
        assert 4 * most_pending() <= few
        if hard == resource.RLIM_INFINITY or hard >= many:
            resource.setrlimit(resource.RLIMIT_NOFILE, (many, hard))
            assert most_pending() == MOST_PENDING
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_threads_never_lose_an_entry(storage: LocalStorage, tmp_path: Path) -> None:
    failures: list[str] = []

    def work(thread: int) -> None:
        for number in range(60):
            path = f"t{thread}/{number}"
            storage.put(path, [path.encode()], size_bytes=len(path))
            if number % 7 == 0:
                storage.sync()
                failures.extend(f"t{thread}/{n}" for n in range(number + 1) if not (tmp_path / f"exports/t{thread}/{n}").exists())

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    storage.sync()
    storage.close()
    assert failures == []
    assert len(names(tmp_path / "exports")) == 6 * 60


def test_sync_covers_what_other_threads_put(storage: LocalStorage, tmp_path: Path) -> None:
    thread = threading.Thread(target=lambda: storage.put("a", [b"x"], size_bytes=1))
    thread.start()
    thread.join()
    storage.sync()
    assert names(tmp_path / "exports") == {"a"}
    storage.close()


# -- conflicts ------------------------------------------------------------------------------------------------------------
def test_other_content_at_the_path_is_a_conflict(storage: LocalStorage, tmp_path: Path) -> None:
    storage.put("a", [b"one"], size_bytes=3)
    with pytest.raises(EntryConflict) as caught:
        storage.put("a", [b"two"], size_bytes=3)
    assert "two" not in str(caught.value)
    storage.sync()
    with pytest.raises(EntryConflict):
        storage.put("a", [b"longer"], size_bytes=6)
    assert (tmp_path / "exports/a").read_bytes() == b"one"
    storage.close()


def test_conflict_that_comes_before_the_sync_is_told_by_it(storage: LocalStorage, tmp_path: Path) -> None:
    storage.put("a", [b"ours"], size_bytes=4)
    storage.put("same", [b"equal"], size_bytes=5)
    storage.put("free", [b"x"], size_bytes=1)
    (tmp_path / "exports/a").write_bytes(b"theirs")
    (tmp_path / "exports/same").write_bytes(b"equal")
    with pytest.raises(EntryConflict):
        storage.sync()
    assert (tmp_path / "exports/a").read_bytes() == b"theirs"
    assert (tmp_path / "exports/free").read_bytes() == b"x"
    storage.sync()
    assert names(tmp_path / "exports") == {"a", "same", "free"}
    storage.close()


def test_conflict_found_by_another_threads_sync_is_told_to_who_put_it(storage: LocalStorage, tmp_path: Path) -> None:
    storage.put("a", [b"ours"], size_bytes=4)
    (tmp_path / "exports/a").write_bytes(b"theirs")
    told: list[bool] = []

    def sync() -> None:
        try:
            storage.sync()
        except EntryConflict:
            told.append(True)

    thread = threading.Thread(target=sync)
    thread.start()
    thread.join()
    assert told == [True]
    with pytest.raises(EntryConflict):
        storage.sync()
    storage.sync()
    storage.close()


@pytest.mark.parametrize("kind", ["folder", "link to a file", "link to a folder", "pipe"])
def test_what_is_no_file_of_ours_is_a_conflict(storage: LocalStorage, tmp_path: Path, kind: str) -> None:
    root = tmp_path / "exports"
    root.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_bytes(b"x")
    match kind:
        case "folder":
            (root / "a").mkdir()
        case "link to a file":
            (root / "a").symlink_to(outside / "a")
        case "link to a folder":
            (root / "a").symlink_to(outside)
        case _:
            os.mkfifo(root / "a")
    with pytest.raises(EntryConflict):
        storage.put("a", [b"x"], size_bytes=1)
    storage.close()


def test_link_on_the_way_is_never_followed(storage: LocalStorage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "there").write_bytes(b"x")
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports/p").symlink_to(outside)
    storage.put("p/new", [b"x"], size_bytes=1)
    with pytest.raises(EntryConflict):
        storage.sync()
    with pytest.raises(EntryConflict):
        storage.put("p/there", [b"x"], size_bytes=1)
    with pytest.raises(FileNotFoundError):
        list(storage.read("p/there"))
    assert list(storage.list("")) == []
    assert names(outside) == {"there"}
    storage.close()


def test_file_on_the_way_is_a_conflict(storage: LocalStorage) -> None:
    storage.put("p", [b"x"], size_bytes=1)
    storage.sync()
    with pytest.raises(EntryConflict):
        storage.put("p/a", [b"x"], size_bytes=1)
    storage.close()


# -- faults ---------------------------------------------------------------------------------------------------------------
def run_child(code: str, *, shell: str = "") -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", textwrap.dedent(code)]
    if shell:
        program = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f'{shell} && exec "$@"', "sh", *program]
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)


def test_full_disk_is_told_and_leaves_nothing_torn(tmp_path: Path) -> None:
    """On a real file system of 256 KiB, in a namespace of its own."""
    code = f"""
        from pathlib import Path
        from rightful.errors import StorageRefused
        from rightful.storage.local import LocalStorage
        storage = LocalStorage(Path({str(tmp_path)!r}))
        storage.put("small", [b"x" * 1000], size_bytes=1000)
        storage.sync()
        try:
            storage.put("large", [b"x" * 100_000] * 9, size_bytes=900_000)
        except StorageRefused as error:
            print(error.refusal.value, error.is_curable)
        storage.put("small2", [b"x" * 1000], size_bytes=1000)
        storage.sync()
        print(sorted(path for path, _ in storage.list("")))
    """
    if subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system gives its users no mount namespaces")
    done = run_child(code, shell=f"mount -t tmpfs -o size=256k tmpfs {tmp_path}")
    assert done.stdout.splitlines() == ["full False", "['small', 'small2']"], done.stderr


def test_file_that_is_too_large_for_the_system_is_told(tmp_path: Path) -> None:
    code = f"""
        import resource, signal
        from pathlib import Path
        from rightful.errors import StorageRefused
        from rightful.storage.local import LocalStorage
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        storage = LocalStorage(Path({str(tmp_path)!r}))
        try:
            storage.put("large", [b"x" * 100_000], size_bytes=100_000)
        except StorageRefused as error:
            print(error.refusal.value)
        storage.sync()
        print(list(storage.list("")))
    """
    assert run_child(code).stdout.splitlines() == ["unsupported", "[]"]


@pytest.mark.parametrize("unnamed_files", [True, False])
def test_killed_process_leaves_nothing_torn_and_nothing_behind(tmp_path: Path, unnamed_files: bool) -> None:  # noqa: FBT001 - a table
    code = f"""
        import sys
        from pathlib import Path
        from rightful.storage.local import LocalStorage
        storage = LocalStorage(Path({str(tmp_path)!r}), unnamed_files={unnamed_files})
        for number in range(100_000):
            storage.put(f"p/{{number}}", [b"x" * 5000], size_bytes=5000)
            if number % 10 == 9:
                storage.sync()
                print(number, flush=True)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        synced = [int(child.stdout.readline()) for _ in range(12)][-1]
        child.send_signal(signal.SIGKILL)
    storage = LocalStorage(tmp_path, unnamed_files=unnamed_files)
    assert storage.put("p/0", [b"x" * 5000], size_bytes=5000) is Put.ALREADY_THERE
    found = dict(storage.list(""))
    assert set(found.values()) == {5000}
    assert {f"p/{number}" for number in range(synced + 1)} <= set(found)
    assert not [path for path in tmp_path.iterdir() if path.name != "p"]
    storage.close()


def test_hidden_file_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    first = LocalStorage(tmp_path, unnamed_files=False)
    first.put("a", [b"x"], size_bytes=1)
    second = LocalStorage(tmp_path, unnamed_files=False)
    second.put("b", [b"x"], size_bytes=1)
    first.sync()
    second.sync()
    assert names(tmp_path) == {"a", "b"}
    first.close()
    second.close()


def test_root_that_is_a_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "exports").write_bytes(b"")
    with pytest.raises(StorageRefused) as caught:
        LocalStorage(tmp_path / "exports").put("a", [b"x"], size_bytes=1)
    assert caught.value.refusal is Refusal.MISSING


def test_every_call_fails_after_a_failed_one(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.put("a", [b"x"], size_bytes=1)
    storage.close()
    assert storage.is_broken
    for call in (storage.sync, lambda: storage.put("b", [b"x"], size_bytes=1)):
        with pytest.raises(StorageError):
            call()
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("ENOSPC", Refusal.FULL),
        ("EDQUOT", Refusal.FULL),
        ("EACCES", Refusal.PERMISSION),
        ("EROFS", Refusal.PERMISSION),
        ("ENOENT", Refusal.MISSING),
        ("EXDEV", Refusal.UNSUPPORTED),
        ("EISDIR", Refusal.OTHER),
        ("EIO", None),
        ("EMFILE", None),
        ("ESTALE", None),
    ],
)
def test_errors_of_the_system_are_classed(number: str, expected: Refusal | None) -> None:
    error = translate(OSError(getattr(__import__("errno"), number), "x", "/exports/secret-name"))
    assert isinstance(error, StorageUnavailable) if expected is None else isinstance(error, StorageRefused) and error.refusal is expected
    assert error.hint
    assert "/exports" not in f"{error}"
