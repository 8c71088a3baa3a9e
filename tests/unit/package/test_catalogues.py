"""Everything that START-HERE.html says is there in each language, with the same values in it."""

import re
from importlib import resources

import pytest

from rightful.package.viewer.catalogues import catalogues, parse

_STRING = r'"((?:[^"\\]|\\.)*)"'
_SAID = re.compile(rf"\bt\(\s*{_STRING}")
_COUNTED = re.compile(rf"\btn\(\s*{_STRING},\s*{_STRING}")
_LANGUAGES = ("de", "es", "fr", "ja", "zh-Hans")
_FORMS = {"ja": 1, "zh-Hans": 1}


def _source() -> str:
    folder = resources.files("rightful.package.viewer")
    return "".join(file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".js"))


SOURCE = _source()
SAID = dict.fromkeys(_SAID.findall(SOURCE), 1)
COUNTED = {one: other for one, other in _COUNTED.findall(SOURCE)}  # noqa: C416 - pairs, by the first


def _values(message: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", message))


def test_every_text_is_said_through_a_catalogue() -> None:
    assert len(SAID) > 80
    calls = re.findall(r"\bt\(|\btn\(", SOURCE)
    definitions = 2
    assert len(calls) - definitions == len(_SAID.findall(SOURCE)) + len(_COUNTED.findall(SOURCE))


def test_languages_are_there() -> None:
    assert tuple(catalogues()) == _LANGUAGES


@pytest.mark.parametrize("language", _LANGUAGES)
def test_catalogue_is_complete_and_says_nothing_else(language: str) -> None:
    catalogue = catalogues()[language]
    assert catalogue.keys() == SAID.keys() | COUNTED.keys()
    for message, translation in catalogue.items():
        if message in COUNTED:
            assert isinstance(translation, list)
            assert len(translation) == _FORMS.get(language, 2)
            assert all(_values(form) == _values(message) for form in translation)
        else:
            assert isinstance(translation, str)
            assert translation
            assert _values(translation) == _values(message)


def test_catalogue_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="line 2"):
        parse('msgid "a"\nmsgstr b')
