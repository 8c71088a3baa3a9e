"""A certificate for localhost, for trying things out: an authority that signs one certificate and is then forgotten.

GRAPH-60: Graph's clients send tokens over https only, so even a first try needs TLS. The authority's private key is never written:
whoever trusts `ca.pem` trusts this one certificate and no other.
"""

import ipaddress
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rightful import private_file
from rightful.errors import ConfigurationError

HOSTS = ("localhost", "127.0.0.1", "::1")
VALID = timedelta(days=397)
"""Apple and Chromium refuse server certificates that are valid for longer than 398 days."""

_EARLY = timedelta(minutes=10)
"""Clocks of two machines differ."""


class DevCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """PEM texts; `key` is a secret."""

    ca: bytes
    """The authority: NODE_EXTRA_CA_CERTS for Node, `cafile` for Python, `--cacert` for curl."""
    chain: bytes
    """The server's certificate and the authority's: `server.tls.cert`."""
    key: bytes
    """The server's private key: `server.tls.key`."""

    def __repr__(self) -> str:
        """Show nothing: it holds a private key."""
        return "DevCertificate()"


class DevCertificateFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Where a development certificate was written."""

    ca: Path
    cert: Path
    key: Path


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _begin(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(now + VALID)
        # Python 3.13 refuses chains without key identifiers (VERIFY_X509_STRICT, RFC 5280 4.2.1.1 and 4.2.1.2).
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def make(now: datetime, hosts: tuple[str, ...] = HOSTS) -> DevCertificate:
    """Make a certificate for these names and addresses, valid from now on for 397 days."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("Rightful development authority")
    ca_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    authority = (
        _begin(ca_name, ca_name, ca_key.public_key(), now)
        .add_extension(ca_identifier, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_ca=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    server = (
        _begin(_name(hosts[0]), ca_name, key.public_key(), now)
        .add_extension(ca_identifier, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_alternative(host) for host in hosts]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    ca = authority.public_bytes(serialization.Encoding.PEM)
    return DevCertificate(
        ca=ca,
        chain=server.public_bytes(serialization.Encoding.PEM) + ca,
        key=key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def write(folder: Path, now: datetime, *, hosts: tuple[str, ...] = HOSTS, overwrite: bool = False) -> DevCertificateFiles:
    """Write `ca.pem`, `cert.pem` and `key.pem` (readable by their owner only) into a folder, made where it is missing.

    Raises:
        ConfigurationError: one of the files is there already and `overwrite` was not asked for; nothing was written.
    """
    files = DevCertificateFiles(ca=folder / "ca.pem", cert=folder / "cert.pem", key=folder / "key.pem")
    there = [path.name for path in (files.ca, files.cert, files.key) if path.exists()]
    if there and not overwrite:
        raise ConfigurationError(f"{folder} holds {', '.join(there)} already", code="FileExists", hint="use --force to replace them")
    made = make(now, hosts)
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in ((files.ca, made.ca), (files.cert, made.chain), (files.key, made.key)):
        private_file.write(path, content)
    return files
