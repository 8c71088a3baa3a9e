"""SFTP servers as fixtures: asyncssh's own, in a thread of the tests, and OpenSSH's sshd, a process ended by its pid.

Each serves a folder of the machine, on loopback, to one account.
"""

import asyncio
import getpass
import secrets
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pytest
from tests.servers.port import free_port
from tests.servers.process import account, wait_for

from rightful.connectors.tree_place import Access

USER, PASSWORD = "reader", "sample-p@ss/w:örd"
_START_S = 60.0
_UNPACKED = Path(__file__).parents[2] / ".cache/openssh"


class SftpServer:
    """A running server."""

    def __init__(self, port: int, access: Access, host_key: asyncssh.SSHKey, root: Path, prefix: str) -> None:
        self.url = f"sftp://127.0.0.1:{port}{prefix}"
        self.access = access
        self.fingerprint = host_key.get_fingerprint()
        self.public_key = host_key.export_public_key().decode().strip()
        self.root = root

    def folder(self) -> tuple[str, Path]:
        """Make a folder; return its address and where it lies."""
        name = secrets.token_hex(8)
        (self.root / name).mkdir()
        return f"{self.url}/{name}", self.root / name


class _Accounts(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        del username
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


@contextmanager
def serving(
    sftp: Callable[[asyncssh.SSHServerChannel[bytes]], asyncssh.SFTPServer] | None, accounts: type[asyncssh.SSHServer] = _Accounts
) -> Iterator[tuple[int, asyncssh.SSHKey]]:
    """Run asyncssh's server in a thread; yields its port and host key."""
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    ready, port = threading.Event(), 0
    loop = asyncio.new_event_loop()
    ending = asyncio.Event()

    async def serve() -> None:
        nonlocal port
        server = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=accounts, server_host_keys=[host_key], sftp_factory=sftp, config=None, gss_host=None
        )
        port = server.get_port()
        ready.set()
        await ending.wait()
        server.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield port, host_key
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(10)


@pytest.fixture(scope="session")
def asyncssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    """A running asyncssh server: its clients see the folder alone."""
    root = tmp_path_factory.mktemp("sftp")
    with serving(lambda channel: asyncssh.SFTPServer(channel, chroot=str(root).encode())) as (port, host_key):
        access = Access(user=USER, password=PASSWORD, fingerprint=host_key.get_fingerprint())
        yield SftpServer(port, access, host_key, root, "")


def _program(name: str) -> str | None:
    for path in (None, "/usr/sbin", f"{_UNPACKED}/usr/sbin"):
        if found := shutil.which(name, path=path):
            return found
    return None


@pytest.fixture(scope="session")
def openssh_server() -> Iterator[SftpServer]:
    """A running sshd of OpenSSH: its clients see the whole machine, as its account does."""
    program = _program("sshd")
    if program is None:
        pytest.skip("no sshd of OpenSSH is there (`make test` fetches Debian's package)")
    own = account("daemon")  # nobody is locked where systemd names accounts
    folder = Path(tempfile.mkdtemp(prefix="rightful-sshd-"))
    folder.chmod(0o755)
    process = None
    try:
        host_key, key = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
        host_key.write_private_key(folder / "host_key")
        (folder / "host_key").chmod(0o600)
        key.write_public_key(folder / "authorized_keys")
        (folder / "root").mkdir()
        if program.startswith(str(_UNPACKED)):  # its account may not be let into the folder that this one is in
            for file in (Path(program), *_UNPACKED.glob("**/libwrap.so.0")):
                shutil.copy(file, folder)
            program = str(folder / "sshd")
        port = free_port()
        settings = {
            "ListenAddress": "127.0.0.1",
            "Port": port,
            "HostKey": folder / "host_key",
            "AuthorizedKeysFile": folder / "authorized_keys",
            "PidFile": "none",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "StrictModes": "no",
            "UsePAM": "no",
            "Subsystem": "sftp internal-sftp",
            "ForceCommand": "internal-sftp",
        }
        (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        (folder / "log").touch()
        if own:
            shutil.chown(folder / "host_key", own)
            shutil.chown(folder / "log", own)
        process = subprocess.Popen(
            [program, "-D", "-f", str(folder / "config"), "-E", str(folder / "log")],
            env={"LD_LIBRARY_PATH": str(folder)},
            user=own,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(process, port, name="sshd", limit_s=_START_S)
        access = Access(
            user=own or getpass.getuser(),
            private_key=key.export_private_key().decode(),
            known_hosts=f"[127.0.0.1]:{port} {host_key.export_public_key().decode()}",
        )
        yield SftpServer(port, access, host_key, folder / "root", str(folder / "root"))
    finally:
        if process is not None:
            process.terminate()
            process.wait(timeout=10)
        shutil.rmtree(folder, ignore_errors=True)
