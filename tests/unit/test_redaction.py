"""The last net catches what looks like a secret and leaves the rest alone."""

import pytest

from rightful.redaction import printable, redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a.blob.core.windows.net/c?sp=cw&sig=abc%2Bdef%3D", "https://a.blob.core.windows.net/c?***"),
        ("PUT /c/e?SIG=abc HTTP/1.1", "PUT /c/e?*** HTTP/1.1"),
        ("sp=cw&sig=abc", "sp=cw&sig=***"),
        ("url=https%3A%2F%2Fa%2Fc%3Fsig%3Dabc", "url=https%3A%2F%2Fa%2Fc%3Fsig%3D***"),
        ("x sig%3Dabc%26se%3D1", "x sig%3D***"),
        ("Authorization: Bearer abcdefgh.ijk", "Authorization: Bearer ***"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln here", "token *** here"),
        ("postgresql://ann:hunter2@db/shop", "postgresql://***@db/shop"),
        ("host=db password=hunter2 dbname=shop", "host=db password=*** dbname=shop"),
        (
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  data/a",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  data/a",
        ),
        ("https://dsr.contoso.example/v1.0/dataPolicyOperations?$top=5", "https://dsr.contoso.example/v1.0/dataPolicyOperations?$top=5"),
        ("the design = big", "the design = big"),
    ],
)
def test_redact(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_printable_writes_out_what_a_terminal_obeys() -> None:
    assert printable("a\x1b[31m\r\n\tb\u202ec\x9b\udcff é 日本") == r"a\x1b[31m\r\n\tb\u202ec\x9b\udcff é 日本"
    assert printable("a\u061c\u2066\ufeff\U000e0041b") == r"a\u061c\u2066\ufeff\U000e0041b"
