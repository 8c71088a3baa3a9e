"""Storage locations that somebody might send to have the service write elsewhere, each with the code that refuses it.

Every way of writing an address, a host, a port or a scheme that some parser, resolver or proxy is known to read as another one.
"""

# ruff: noqa: RUF001 - look-alike characters are the point

from collections.abc import Iterator

HOST = "contoso.blob.core.windows.net"
SAS = "sv=2021-12-02&sr=c&sp=cw&se=2099-01-01T00:00:00Z&sig=c2VjcmV0"
INVALID = "StorageLocationInvalid"
NO_BLOB = "StorageLocationNotAzureBlob"
NO_SAS = "SharedAccessSignatureTokenInvalid"

_ADDRESSES = ("127.0.0.1", "10.0.0.5", "169.254.169.254", "168.63.129.16", "8.8.8.8")
_WIDE = str.maketrans("0123456789.", "０１２３４５６７８９．")
_CIRCLED = str.maketrans("123456789", "①②③④⑤⑥⑦⑧⑨")


def _spellings(address: str) -> Iterator[str]:
    """Yield an IPv4 address as libc, browsers or somebody's library read it."""
    a, b, c, d = (int(part) for part in address.split("."))
    whole = (a << 24) | (b << 16) | (c << 8) | d
    yield from (address, f"{address}.", str(whole), f"{whole:#x}", f"{whole:#X}", f"0{whole:o}", f"0{whole}", str(whole + (1 << 32)))
    yield from (
        f"{a}.{(b << 16) | (c << 8) | d}",
        f"{a}.{b}.{(c << 8) | d}",
        f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
    )
    yield from (f"{a:#x}.{b}.0{c:o}.{d}", f"{a:03}.{b:03}.{c:03}.{d:03}", f"{a + 256}.{b}.{c}.{d}", f"{address}.0", f"{address},")
    yield from (address.translate(_WIDE), address.replace(".", "。"), address.translate(_CIRCLED), address.replace(".", "\u200b."))
    yield from ("".join(f"%{ord(character):02x}" for character in address), address.replace(".", "%2e"), f"[{address}]", f"[::{address}]")
    yield from (
        f"[::ffff:{address}]",
        f"[64:ff9b::{address}]",
        f"[2002:{a:02x}{b:02x}:{c:02x}{d:02x}::]",
        f"[::ffff:{a:x}{b:02x}:{c:x}{d:02x}]",
    )


_IPV6 = (
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::1",
    "::1",
    "[::1]]",
    "[[::1]]",
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[2001:0:7f00:1::]",
    "[2606:4700:4700::1111]",
    "[2606:4700:4700::1111].",
    "[v1.fe]",
    "[]",
    f"[{HOST}]",
    f"[::1].{HOST}",
    f"[::1]{HOST}",
    f"[::1]:443.{HOST}",
)

_OTHER_HOSTS = (
    "localhost",
    "localhost.",
    "LOCALHOST",
    "127.0.0.1.nip.io",
    "metadata.google.internal",
    "evil.example",
    "blob.core.windows.net",
    ".blob.core.windows.net",
    f".{HOST}",
    f"{HOST}.",
    f"{HOST}..",
    f"{HOST}.evil.example",
    f"{HOST}-evil.example",
    "evilblob.core.windows.net",
    "contoso.blob.core.windows.net.",
    "contoso..blob.core.windows.net",
    "contoso.blob.core.windows.com",
    "contoso.blob.core.windows",
    "contoso.blob.core.windows.net.nip.io",
    "contoso.blob.core-windows.net",
    "contoso.blob.core.windows.neτ",
    "contoso.blob.core.windowſ.net",
    "contos\u043e.blob.core.windows.net",
    "contoso。blob。core。windows。net",
    "contoso.blob.core.windows．net",
    "ｃontoso.blob.core.windows.net",
    "cont\u200boso.blob.core.windows.net",
    "cont\u00adoso.blob.core.windows.net",
    "\u202econtoso.blob.core.windows.net",
    "contoßo.blob.core.windows.net",
    "\u212aontoso.blob.core.windows.net",
    "contos\u0301o.blob.core.windows.net",
    "con_toso.blob.core.windows.net",
    "-contoso.blob.core.windows.net",
    "contoso-.blob.core.windows.net",
    f"{'a' * 64}.blob.core.windows.net",
    f"{'a.' * 120}blob.core.windows.net",
    "contoso%2eblob.core.windows.net",
    "%63ontoso.blob.core.windows.net",
    "evil.example%2f.blob.core.windows.net",
    "evil.example%5c.blob.core.windows.net",
    "evil.example%00.blob.core.windows.net",
    "evil.example%0d%0a.blob.core.windows.net",
    "evil.example%23.blob.core.windows.net",
    "evil.example%40.blob.core.windows.net",
    "evil.example\x00.blob.core.windows.net",
    "evil.example\t.blob.core.windows.net",
    "evil.example\n.blob.core.windows.net",
    "evil.example\r\nHost: x.blob.core.windows.net",
    "evil.example .blob.core.windows.net",
    "evil.example;.blob.core.windows.net",
    "evil.example,.blob.core.windows.net",
    "evil.example&.blob.core.windows.net",
    "evil.example=.blob.core.windows.net",
    "evil.example$.blob.core.windows.net",
    "evil.example!.blob.core.windows.net",
    "evil.example*.blob.core.windows.net",
    "*.blob.core.windows.net",
    "evil.example(.blob.core.windows.net)",
    "evil.example\\.blob.core.windows.net",
    "evil.example#.blob.core.windows.net",
    "evil.example^.blob.core.windows.net",
    "evil.example|.blob.core.windows.net",
    "evil.example<.blob.core.windows.net",
    'evil.example".blob.core.windows.net',
    "{evil.example}.blob.core.windows.net",
    "evil.example`.blob.core.windows.net",
    "～.blob.core.windows.net",
)

_USERS = (
    f"user@{HOST}",
    f"user:password@{HOST}",
    f"@{HOST}",
    f":@{HOST}",
    f"{HOST}@evil.example",
    f"{HOST}:443@evil.example",
    f"{HOST}:x@evil.example",
    f"evil.example@{HOST}",
    f"evil.example:80@{HOST}",
    f"a@b@{HOST}",
    f"{HOST}\\@evil.example",
    f"{HOST}%40evil.example",
    f"evil.example\\@{HOST}",
    f"{HOST}&@evil.example",
    f"[::1]@{HOST}",
)

_PORTS = (
    "0",
    "00443",
    "0443",
    "65536",
    "65979",
    "99999",
    "-443",
    "+443",
    "4 43",
    "443 ",
    "44３",
    "４４３",
    "0x1bb",
    "443.0",
    "4e2",
    "443a",
    "",
    ":443",
    "443:443",
)
_OTHER_PORTS = ("1", "22", "80", "442", "444", "8443", "10000", "65535")

_SCHEMES = (
    "http",
    "HTTP",
    "ftp",
    "file",
    "gopher",
    "dict",
    "ldap",
    "ws",
    "wss",
    "data",
    "javascript",
    "blob:https",
    "jar:https",
    "view-source:https",
    "httpss",
    "https+unix",
    "s3",
    "abfss",
    "xhttps",
    " https",
    "\thttps",
    "\x00https",
    "\ufeffhttps",
    "ht\ntps",
    "https ",
    "hＴtps",
    "http\u017f",
)

_BEGINNINGS = ("//", "https:", "https:/", "https:///", "https:////", "https:\\\\", "https:/\\", "https:\\/", "https//", "https%3a//", "")

_PATHS = (
    "",
    "/",
    "//",
    "/exports/blob",
    "/exports//",
    "//exports",
    "/./exports/",
    "/../exports",
    "/exports/..",
    "/exports/../other",
    "/exports/.",
    "/%2e%2e/exports",
    "/exports%2f..%2fother",
    "/exports%00",
    "/exports%0a",
    "/%65xports",
    "/exports;a=b",
    "/exports:443",
    "/exports@evil.example",
    "/Exports",
    "/ex",
    "/ex--ports",
    "/-exports",
    "/exports-",
    "/$logs",
    "/$web",
    f"/{'a' * 64}",
    "/account/exports",
    "/a/b/exports",
)

_PATHS_NO_URL = (
    "\\exports",
    "/exports\\",
    "/exports\\..\\x",
    "/ exports",
    "/exp\torts",
    "/exports\n",
    "/éxports",
    "/exports#",
    "/exports{}",
)

_QUERIES = (
    "",
    "?",
    "?sig",
    "?sig=",
    SAS.replace("&sig=c2VjcmV0", ""),
    "sv=2021-12-02&sr=c&sp=cw&sig=c2VjcmV0",
    "sr=c&sp=cw&se=2099-01-01",
    f"{SAS}&sig=other",
    f"{SAS}&SIG=other",
    f"{SAS}&%73ig=other",
    f"{SAS}&sp=rl",
    f"{SAS}&SE=2999-01-01",
    f"{SAS}&x=%ff",
    f"{SAS}&x=%c0%af",
    f"{SAS}&sr=b",
    SAS.replace("sp=cw", "sp=c%00w"),
    SAS.replace("sp=cw", "sp=%EF%BD%83w"),
    SAS.replace("2099-01-01T00:00:00Z", "2099-01-01T00:00:00Z%0a"),
    SAS.replace("2099-01-01T00:00:00Z", "%D9%A2099-01-01"),
    SAS.replace("2099-01-01T00:00:00Z", "99999-01-01"),
)

_QUERIES_NO_URL = (
    f"{SAS}#",
    f"{SAS}\r\nx-ms-blob-type: PageBlob",
    f"{SAS} HTTP/1.1",
    f"{SAS}\x00",
    f"{SAS}&x=ä",
    f"{SAS}&x=\\",
    f"{SAS}&x={'a' * 9000}",
)


def hostile_locations() -> Iterator[tuple[str, str, str]]:
    """Yield (what it plays with, the location, the code)."""
    for address in _ADDRESSES:
        for spelling in _spellings(address):
            yield "address", f"https://{spelling}/account/exports?{SAS}", INVALID
            yield "address and port", f"https://{spelling}:443/account/exports?{SAS}", INVALID
    for host in (*_IPV6, *_OTHER_HOSTS):
        path = "/account/exports" if host.startswith(("[", "::")) or "." not in host else "/exports"
        yield "host", f"https://{host}{path}?{SAS}", INVALID
    for authority in _USERS:
        yield "user", f"https://{authority}/exports?{SAS}", INVALID
    for port in (*_PORTS, *_OTHER_PORTS):
        yield "port", f"https://{HOST}:{port}/exports?{SAS}", INVALID
    for scheme in _SCHEMES:
        yield "scheme", f"{scheme}://{HOST}/exports?{SAS}", INVALID
    for beginning in _BEGINNINGS:
        yield "beginning", f"{beginning}{HOST}/exports?{SAS}", INVALID
    for path in _PATHS:
        yield "path", f"https://{HOST}{path}?{SAS}", NO_BLOB
    for path in _PATHS_NO_URL:
        yield "path", f"https://{HOST}{path}?{SAS}", INVALID
    for query in _QUERIES:
        yield "query", f"https://{HOST}/exports?{query}", NO_SAS
    for query in _QUERIES_NO_URL:
        yield "query", f"https://{HOST}/exports?{query}", INVALID
