"""Which of the languages suits somebody."""

import pytest

from rightful.language import OFFERED, lookup, prefer


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        *((each, each) for each in OFFERED),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de-CH-1996", "de"),
        ("de-x-private", "de"),
        ("en-GB-oxendict", "en"),
        ("es-419", "es"),
        ("fr-CA-u-ca-gregory", "fr"),
        ("ja-JP-u-nu-jpan", "ja"),
        ("zh", "zh-Hans"),
        ("zh-CN", "zh-Hans"),
        ("zh-SG", "zh-Hans"),
        ("zh-MY", "zh-Hans"),
        ("zh-hans-hk", "zh-Hans"),
        ("zh-cmn-CN", "zh-Hans"),
        ("cmn-Hans-CN", "zh-Hans"),
        ("zh-CN-x-hant", "zh-Hans"),
        ("zh-TW", ""),
        ("zh-HK", ""),
        ("zh-Hant", ""),
        ("zh-Hant-CN", ""),
        ("zh-yue", ""),
        ("yue", ""),
        ("pt-BR", ""),
        ("gsw", ""),
        ("den", ""),
        ("i-klingon", ""),
        ("x-de", ""),
        ("", ""),
        ("*", ""),
        ("de_AT", ""),
        ("de-", ""),
        ("-de", ""),
        ("de\n", ""),
        ("Deutsch oder Englisch", ""),
        ("\uff44\uff45", ""),
        ("de-" + "x" * 9, ""),
    ],
)
def test_tag_has_the_language_that_suits_it(tag: str, language: str) -> None:
    assert lookup(tag) == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("de-AT", "de"),
        (" fr ", "fr"),
        ("de_AT.UTF-8", "de"),
        ("de_DE@euro", "de"),
        ("zh_CN.GB18030", "zh-Hans"),
        ("zh_TW", ""),
        ("C", ""),
        ("da, en-gb;q=0.8, en;q=0.7", "en"),
        ("de;q=0.5, fr;q=0.9, ja;q=0.1", "fr"),
        ("de;q=0, pt", ""),
        ("de;q=0.000, es;Q = 0.001", "es"),
        ("zh-TW, ja;q=0.5", "ja"),
        ("*, de;q=0.1", "de"),
        ("fr;q=1.5, de;q=0.1", "de"),
        ("fr;level=1, de", "de"),
        (",,de,", "de"),
        ("", ""),
        ("German", ""),
        ("x" * 5000 + ",de", ""),
    ],
)
def test_what_a_directory_says_has_the_language_that_is_preferred(text: str, language: str) -> None:
    assert prefer(text) == language
