"""Bech32 (BIP 173), in which age writes its keys: a word, what it is of, and a checksum that notices slips of a pen."""

_CHARACTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM = 6


def encode(word: str, content: bytes) -> str:
    """Write bytes under a word, in lower case."""
    values = _regroup(content, 8, 5)
    check = _polymod([*_expanded(word), *values, *([0] * _CHECKSUM)]) ^ 1
    values += [check >> 5 * (_CHECKSUM - 1 - place) & 31 for place in range(_CHECKSUM)]
    return f"{word}1{''.join(_CHARACTERS[value] for value in values)}"


def decode(word: str, text: str) -> bytes:
    """Read bytes that were written under a word, in lower or upper case throughout; raises `ValueError` for anything else."""
    lower = text.lower()
    if not text.isascii() or text not in {lower, text.upper()} or not lower.startswith(f"{word}1"):
        raise ValueError("it does not begin as it must")
    values = [_CHARACTERS.find(character) for character in lower[len(word) + 1 :]]
    if len(values) < _CHECKSUM or -1 in values or _polymod([*_expanded(word), *values]) != 1:
        raise ValueError("its checksum is wrong: it was mistyped, or cut off")
    content = values[:-_CHECKSUM]
    read = bytes(_regroup_whole(content))
    if _regroup(read, 8, 5) != content:
        raise ValueError("its last bits are not zero")
    return read


def _expanded(word: str) -> list[int]:
    codes = word.encode()
    return [*(code >> 5 for code in codes), 0, *(code & 31 for code in codes)]


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATORS):
            if top >> place & 1:
                check ^= generator
    return check


def _regroup(values: bytes, width: int, into: int) -> list[int]:
    """Cut bits anew, the last ones filled up with zeros."""
    bits = "".join(f"{value:0{width}b}" for value in values)
    return [int(bits[start : start + into].ljust(into, "0"), 2) for start in range(0, len(bits), into)]


def _regroup_whole(values: list[int]) -> list[int]:
    """Cut groups of five bits into bytes; what is left over is dropped."""
    bits = "".join(f"{value:05b}" for value in values)
    return [int(bits[start : start + 8], 2) for start in range(0, len(bits) - 7, 8)]
