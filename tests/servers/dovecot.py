"""A real Dovecot for tests: mailboxes in a folder of its own, free loopback ports, no rights of root, ended by its own pid."""

import grp
import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.servers.port import free_port
from tests.servers.process import account, listens, program, running, stop, wait_for

from rightful.certificate import make

MASTER, MASTER_PASSWORD = "rightful", 'canary p@ss "wörd\\'
OWN_PASSWORD = "her own"
_START_S = 30.0
_CONFIG = """\
base_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = yes
auth_username_format = %u
auth_username_chars =
auth_master_user_separator = *
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:~/Maildir
mail_max_userip_connections = 50
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  service_count = 0
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
passdb {{
  driver = passwd-file
  args = {folder}/masters
  master = yes
  result_success = continue
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
namespace inbox {{
  inbox = yes
  separator = .
}}
namespace {{
  type = public
  prefix = Public.
  separator = .
  location = maildir:{folder}/public
  subscriptions = no
}}
"""


class DovecotServer:
    """One server process; mailboxes are Maildirs that tests write."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._account = account("dovecot")
        self._process: subprocess.Popen[bytes] | None = None
        about = pwd.getpwnam(self._account) if self._account else pwd.getpwuid(os.geteuid())
        self._group = grp.getgrgid(about.pw_gid).gr_name
        self._user, self._ids = about.pw_name, (about.pw_uid, about.pw_gid)
        certificate = make(datetime.now(UTC))
        self.ca = certificate.ca.decode()
        """PEM, to be trusted."""
        (folder / "cert.pem").write_bytes(certificate.chain)
        (folder / "key.pem").write_bytes(certificate.key)
        (folder / "masters").write_text(f"{MASTER}:{{PLAIN}}{MASTER_PASSWORD}\n")
        self.fill({})
        self._own(folder)
        self.port = self.tls_port = 0

    def fill(self, mailboxes: Mapping[str, Mapping[str, bytes]]) -> None:
        """Have these people, and no others; of each, what lies in their Maildir: `cur/1:2,S`, `.Sent/new/2`."""
        self._wait_for_sessions()
        shutil.rmtree(self._folder / "mail", ignore_errors=True)
        uid, gid = self._ids
        lines = []
        for number, (name, content) in enumerate(mailboxes.items()):
            home = self.home(name, number)
            lines.append(f"{name}:{{PLAIN}}{OWN_PASSWORD}:{uid}:{gid}::{home}\n")
            for box in ("Maildir/cur", "Maildir/new", "Maildir/tmp"):
                (home / box).mkdir(parents=True)
            write(home / "Maildir", content)
        self._names = list(mailboxes)
        (self._folder / "mail").mkdir(exist_ok=True)
        (self._folder / "users").write_text("".join(lines), encoding="utf-8")
        self._own(self._folder / "mail")

    def add(self, name: str, content: Mapping[str, bytes]) -> None:
        """Put more into somebody's Maildir."""
        write(self.home(name) / "Maildir", content)
        self._own(self.home(name))

    def home(self, name: str, number: int | None = None) -> Path:
        """Return the folder with somebody's mailbox."""
        return self._folder / "mail" / str(self._names.index(name) if number is None else number)

    def publish(self, content: Mapping[str, bytes]) -> None:
        """Have folders that everybody sees."""
        write(self._folder / "public", content)
        self._own(self._folder / "public")

    def start(self) -> None:
        """Start; returns when connections are accepted."""
        self.port, self.tls_port = free_port(), free_port()
        config = self._folder / "dovecot.conf"
        config.write_text(_CONFIG.format(folder=self._folder, user=self._user, group=self._group, port=self.port, tls_port=self.tls_port))
        with (self._folder / "out").open("ab") as out:
            self._process = subprocess.Popen(
                [self._program, "-F", "-c", str(config)],
                stdout=out,
                stderr=out,
                user=self._account,
                group=self._group if self._account else None,
                cwd="/",
                start_new_session=True,
            )
        wait_for(self._process, self.tls_port, name="Dovecot", limit_s=_START_S)
        assert listens(self.port)

    def stop(self) -> None:
        """Stop, ending open connections."""
        stop(self._process, limit_s=_START_S)
        self._process = None

    def log(self) -> str:
        """Return what it has said."""
        return "".join(file.read_text() for file in (self._folder / "out", self._folder / "log") if file.exists())

    def _wait_for_sessions(self) -> None:
        """Return when those that have ended have written their last: a session that hung up may still be keeping its indexes."""
        deadline = time.monotonic() + _START_S
        while (log := self.log()).count("imap-login: Info: Login:") > len(re.findall(r"imap\(.*: Info: Disconnected", log)):
            assert time.monotonic() < deadline, "a session does not end"
            time.sleep(0.005)

    def _own(self, folder: Path) -> None:
        if self._account:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, *self._ids)


def write(folder: Path, content: Mapping[str, bytes]) -> None:
    """Write files, making folders."""
    for path, text in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text)


@pytest.fixture(scope="session")
def dovecot() -> Iterator[DovecotServer]:
    """A running server; each pytest-xdist worker has its own."""
    path = program("dovecot", of="Dovecot")
    with running(lambda folder: DovecotServer(path, folder), "dovecot") as server:
        yield server
