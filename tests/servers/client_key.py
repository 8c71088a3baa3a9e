"""A client's private key, its public half and a certificate that it signed for itself, as somebody makes them with `openssl req -x509`."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import RSAAlgorithm


class ClientKey(msgspec.Struct, frozen=True):
    private_key: str
    certificate: str
    thumbprint: bytes
    """SHA-256 of the certificate."""
    jwk: dict[str, Any]


@cache
def client_key(name: str = "rightful", *, bits: int = 2048) -> ClientKey:
    """Make a key; the same for the same name."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    certificate = _certificate(name, key)
    return ClientKey(
        private_key=pem(key),
        certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(),
        thumbprint=certificate.fingerprint(hashes.SHA256()),
        jwk=RSAAlgorithm.to_jwk(key.public_key(), as_dict=True),
    )


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> str:
    """Return a key's text."""
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode()


def _certificate(name: str, key: rsa.RSAPrivateKey) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
