"""The development certificate works for the clients that will see it (GRAPH-60)."""

import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from rightful import certificate
from rightful.errors import ConfigurationError

NOW = datetime.now(UTC)


def serve_once(files: certificate.DevCertificateFiles) -> tuple[int, threading.Thread]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with listener:
            connection, _ = listener.accept()
            with connection, context.wrap_socket(connection, server_side=True) as stream:
                stream.recv(1000)
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    return int(listener.getsockname()[1]), thread


def test_client_that_checks_strictly_accepts_it(tmp_path: Path) -> None:
    files = certificate.write(tmp_path, NOW)
    port, thread = serve_once(files)
    context = ssl.create_default_context(cafile=str(files.ca))
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # what Python 3.13 does by default
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as stream:
        stream.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert stream.recv(100).endswith(b"ok")
    thread.join(10)


@pytest.mark.node
def test_node_accepts_it_by_its_authority(tmp_path: Path) -> None:
    files = certificate.write(tmp_path, NOW)
    port, thread = serve_once(files)
    script = f"fetch('https://localhost:{port}/').then(r => r.text()).then(t => console.log(t))"
    done = subprocess.run(
        ["node", "-e", script],
        env={"NODE_EXTRA_CA_CERTS": str(files.ca), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "ok", done.stderr
    thread.join(10)


def test_private_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    files = certificate.write(tmp_path / "new", NOW)
    assert {path.stat().st_mode & 0o777 for path in (files.ca, files.cert, files.key)} == {0o600}
    assert b"PRIVATE" not in files.ca.read_bytes() + files.cert.read_bytes()


def test_existing_files_are_kept_unless_asked(tmp_path: Path) -> None:
    files = certificate.write(tmp_path, NOW)
    before = files.key.read_bytes()
    with pytest.raises(ConfigurationError, match="already"):
        certificate.write(tmp_path, NOW)
    assert files.key.read_bytes() == before
    certificate.write(tmp_path, NOW, overwrite=True)
    assert files.key.read_bytes() != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.pem", "cert.pem", "key.pem"]


def test_certificate_ends_before_browsers_refuse_it() -> None:
    made = certificate.make(NOW)
    leaf = x509.load_pem_x509_certificate(made.chain)
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days <= 398
    assert "PRIVATE" not in repr(made)
