"""WsgiDAV as a fixture: a WebDAV server over a folder, a process of its own on loopback, ended by its pid."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.servers.port import free_port
from tests.servers.process import wait_for

_START_TIMEOUT_S = 60.0


class WebdavServer:
    """A running WebDAV server."""

    def __init__(self, port: int, root: Path, user: str, password: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.root = root
        self.user, self.password = user, password

    def folder(self) -> tuple[str, Path]:
        """Make a folder below the root; return its address and where it lies."""
        name = secrets.token_hex(8)
        (self.root / name).mkdir()
        return f"{self.url}/{name}", self.root / name


@pytest.fixture(scope="session")
def webdav_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebdavServer]:
    """A running WebDAV server."""
    port, folder = free_port(), tmp_path_factory.mktemp("webdav")
    root = folder / "root"
    root.mkdir()
    password = secrets.token_urlsafe()
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "server": "cheroot",
        "provider_mapping": {"/": str(root)},
        "http_authenticator": {"domain_controller": None, "accept_basic": True, "accept_digest": False, "default_to_digest": False},
        "simple_dc": {"user_mapping": {"*": {"reader": {"password": password}}}},
        "logging": {"enable": False},
        "lock_storage": False,
        "property_manager": None,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    process = subprocess.Popen(
        [sys.executable, "-m", "wsgidav.server.server_cli", "--config", str(folder / "config.yaml")],
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(process, port, name="WsgiDAV", limit_s=_START_TIMEOUT_S)
        yield WebdavServer(port, root, "reader", password)
    finally:
        process.terminate()
        process.wait(timeout=10)
