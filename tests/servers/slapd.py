"""A real OpenLDAP server for tests: its own data folder, free loopback ports (plain and TLS), ended by its own pid."""

import base64
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.servers.port import free_port
from tests.servers.process import program, running, stop, wait_for

from rightful import certificate

BASE = "dc=contoso,dc=example"
READER = f"cn=reader,{BASE}"
PASSWORD = "sample-p@ss/w:örd"
_START_S = 30.0
_SCHEMA = "/etc/ldap/schema"

# Attributes of Active Directory, by its own numbers; msuser.schema has them without rules to compare them by.
_ACTIVE_DIRECTORY = """
attributetype ( 1.2.840.113556.1.4.2 NAME 'objectGUID' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.656 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.2.840.113556.1.2.210 NAME 'proxyAddresses' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.99999.1 NAME 'exactName' EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.99999.2 NAME 'unsearchable' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.99999.3 NAME 'sampleUser' AUXILIARY
  MAY ( objectGUID $ userPrincipalName $ proxyAddresses $ exactName $ unsearchable ) )
"""

Attributes = Mapping[str, str | bytes | Sequence[str | bytes]]


def entry(dn: str, attributes: Attributes) -> str:
    """Return an entry in LDIF, whatever its values are."""
    lines = [f"dn:: {base64.b64encode(dn.encode()).decode()}"]
    for name, values in attributes.items():
        for value in (values,) if isinstance(values, str | bytes) else values:
            raw = value.encode() if isinstance(value, str) else value
            lines += [f"{name}:: {base64.b64encode(raw).decode()}"]
    return "\n".join(lines) + "\n\n"


def person(number: int, attributes: Attributes) -> str:
    """Return a person's entry."""
    common = {"objectClass": ["inetOrgPerson", "sampleUser"], "uid": f"p{number}", "sn": "x", "cn": f"p{number}"}
    return entry(f"uid=p{number},ou=people,{BASE}", {**common, **attributes})


class SlapdServer:
    """One server process."""

    def __init__(self, program: str, folder: Path, ldif: str, config: str) -> None:
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        files = certificate.write(folder, datetime.now(UTC), hosts=("localhost",))
        self.ca = files.ca
        (folder / "data").mkdir()
        (folder / "slapd.conf").write_text(
            f"""
include {_SCHEMA}/core.schema
include {_SCHEMA}/cosine.schema
include {_SCHEMA}/inetorgperson.schema
{_ACTIVE_DIRECTORY}
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
TLSCACertificateFile {files.ca}
TLSCertificateFile {files.cert}
TLSCertificateKeyFile {files.key}
database mdb
maxsize 268435456
suffix "{BASE}"
directory {folder}/data
rootdn "cn=admin,{BASE}"
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{READER}" read by * none
{config}
"""
        )
        top = entry(BASE, {"objectClass": ["dcObject", "organization"], "dc": "contoso", "o": "Contoso"})
        top += entry(f"ou=people,{BASE}", {"objectClass": "organizationalUnit", "ou": "people"})
        top += entry(READER, {"objectClass": ["organizationalRole", "simpleSecurityObject"], "cn": "reader", "userPassword": PASSWORD})
        (folder / "data.ldif").write_text(top + ldif)
        command = [program, "-T", "add", "-q", "-f", str(folder / "slapd.conf"), "-l", str(folder / "data.ldif")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.port = free_port()  # last of all: whoever chooses one early leaves it to others meanwhile
        self.tls_port = free_port()

    @property
    def url(self) -> str:
        """The address without TLS."""
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        """The address with TLS."""
        return f"ldaps://localhost:{self.tls_port}"

    def start(self) -> None:
        """Start, on the same ports each time."""
        listen = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-d", "0", "-f", str(self._folder / "slapd.conf"), "-h", listen],
                stdout=log, stderr=log, cwd="/", start_new_session=True,
            )  # fmt: skip
        wait_for(self._process, self.port, name="slapd", limit_s=_START_S)

    def stop(self) -> None:
        """Stop, ending open connections; the data stays."""
        stop(self._process, limit_s=_START_S)
        self._process = None


StartSlapd = Callable[..., SlapdServer]
"""Takes LDIF of entries beside those that are always there, and lines of slapd.conf; returns a running server."""


@pytest.fixture
def start_slapd() -> Iterator[StartSlapd]:
    """Starts servers, which end with the test."""
    path = program("slapd", of="OpenLDAP server")
    with ExitStack() as stack:

        def start(ldif: str = "", config: str = "") -> SlapdServer:
            return stack.enter_context(running(lambda folder: SlapdServer(path, folder, ldif, config), "slapd"))

        yield start
