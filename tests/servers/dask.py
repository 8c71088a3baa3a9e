"""A real Dask scheduler and `rightful worker`s as processes on loopback, over TLS with certificates that are made here."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.acceptance.service import ENVIRON
from tests.servers.port import free_port
from tests.servers.process import stop, wait_for

_START_S = 90.0
_STOP_S = 30.0


def make_certificates(folder: Path) -> Path:
    """Write ca.pem, cert.pem and key.pem: an authority, and one certificate of it for every part of the cluster."""
    folder.mkdir()
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("cluster of a test")
    (folder / "ca.pem").write_bytes(_pem(_certificate(issuer, issuer, authority, authority, is_ca=True)))
    (folder / "cert.pem").write_bytes(_pem(_certificate(_name("member"), issuer, own, authority, is_ca=False)))
    (folder / "key.pem").write_bytes(
        own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "key.pem").chmod(0o600)
    return folder


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, *, is_ca: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=10))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return builder.sign(signer, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class DaskProcesses:
    """One scheduler, and workers as a test needs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificates = make_certificates(folder / "dask")
        self.port = free_port()
        self.workers: list[subprocess.Popen[bytes]] = []
        self._scheduler: subprocess.Popen[bytes] | None = None
        self._environ = {**ENVIRON, "HOME": str(folder)}

    @property
    def address(self) -> str:
        return f"tls://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """What the configuration says of it."""
        names = {name: str(self.certificates / f"{name}.pem") for name in ("ca", "cert", "key")}
        return {"scheduler": self.address, **names}

    def start_scheduler(self, *more: str) -> None:
        files = {
            f"--tls-{name}": str(self.certificates / f"{file}.pem") for name, file in (("ca-file", "ca"), ("cert", "cert"), ("key", "key"))
        }
        options = [
            "--protocol",
            "tls",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--no-dashboard",
            "--dashboard-address",
            "127.0.0.1:0",
        ]
        command = [sys.executable, "-m", "dask", "scheduler", *options, *(part for pair in files.items() for part in pair), *more]
        with (self.folder / "scheduler.log").open("ab") as log:
            self._scheduler = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environ, cwd=self.folder
            )
        wait_for(self._scheduler, self.port, name="the scheduler", limit_s=_START_S)

    def kill_scheduler(self) -> None:
        assert self._scheduler is not None
        self._scheduler.kill()
        self._scheduler.wait(_STOP_S)

    def start_worker(self, *, threads: int = 2, wrapper: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """Start a worker; it need not be connected yet."""
        files = [part for name in ("ca", "cert", "key") for part in (f"--{name}", str(self.certificates / f"{name}.pem"))]
        command = [*wrapper, sys.executable, "-m", "rightful.cli", "worker", "--scheduler", self.address, *files, "--threads", str(threads)]
        with (self.folder / f"worker-{len(self.workers)}.log").open("wb") as log:
            started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environ, cwd=self.folder)
        self.workers.append(started)
        return started

    def kill_worker(self, number: int) -> None:
        self.workers[number].kill()
        self.workers[number].wait(_STOP_S)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def logs(self) -> str:
        return "\n".join(self.log(path.stem) for path in sorted(self.folder.glob("*.log")))

    def stop(self) -> None:
        for worker in self.workers:
            os.kill(worker.pid, signal.SIGCONT) if worker.poll() is None else None
            stop(worker, by=signal.SIGKILL, limit_s=_STOP_S)
        stop(self._scheduler, by=signal.SIGKILL, limit_s=_STOP_S)


@contextmanager
def dask_cluster(folder: Path, *, workers: int = 2, threads: int = 2, preload: str = "") -> Iterator[DaskProcesses]:
    """Run a scheduler, which a preload may look into, and workers while the block lasts."""
    processes = DaskProcesses(folder)
    try:
        processes.start_scheduler(*(("--preload", preload) if preload else ()))
        for _ in range(workers):
            processes.start_worker(threads=threads)
        yield processes
    finally:
        processes.stop()
