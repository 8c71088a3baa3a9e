"""Everything that a person reads in a package is there in each language, with the same values in it."""

import re
from importlib import resources

import pytest
from tests.unit.package.said_in_code import said_in, said_in_scripts

from rightful.language import OFFERED
from rightful.package import readme, sealed, taxonomy
from rightful.package.catalogues import catalogues, parse
from rightful.package.statement import words as statement
from rightful.package.verifier import page as verifier
from rightful.package.viewer import page as viewer

_LANGUAGES = tuple(language for language in OFFERED if language != "en")
_FORMS = {"ja": 1, "zh-Hans": 1}
SAID = {
    readme.DOMAIN: said_in(readme.__name__),
    sealed.DOMAIN: said_in(sealed.__name__),
    viewer.DOMAIN: said_in(viewer.__name__).and_what(said_in_scripts(viewer.SCRIPTS)),
    verifier.DOMAIN: said_in(verifier.__name__).and_what(said_in_scripts(verifier.SCRIPTS)),
}


def _values(message: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", message))


@pytest.mark.parametrize("domain", SAID)
def test_every_text_is_said_through_a_catalogue(domain: str) -> None:
    said = SAID[domain]
    assert len(said.plain) > (5 if domain == sealed.DOMAIN else 40)
    assert said.counted or domain == sealed.DOMAIN
    assert said.unknown == 0


@pytest.mark.parametrize("domain", SAID)
def test_languages_are_there(domain: str) -> None:
    assert tuple(catalogues(domain)) == _LANGUAGES


@pytest.mark.parametrize("language", _LANGUAGES)
@pytest.mark.parametrize("domain", SAID)
def test_catalogue_is_complete_and_says_nothing_else(domain: str, language: str) -> None:
    said, catalogue = SAID[domain], catalogues(domain)[language]
    assert catalogue.keys() == {*said.plain, *said.counted}
    for message, translation in catalogue.items():
        forms = translation if isinstance(translation, list) else [translation]
        assert isinstance(translation, list) == (message in said.counted)
        assert len(forms) == (_FORMS.get(language, 2) if message in said.counted else 1)
        for form in forms:
            assert form.strip()
            assert _values(form) == _values(message)


@pytest.mark.parametrize("language", _LANGUAGES)
@pytest.mark.parametrize("domain", [*SAID, statement.DOMAIN, taxonomy.DOMAIN])
def test_catalogue_keeps_to_the_typography_of_its_language(domain: str, language: str) -> None:
    folder = resources.files("rightful") / "locale" / domain
    translations = re.findall(r"^msgstr(?:\[[01]\])? (.*)$", (folder / f"{language}.po").read_text(encoding="utf-8"), re.MULTILINE)[1:]
    text = "\n".join(translations)
    assert "'" not in text
    if language == "fr":  # a no-break space before what has two parts
        assert not re.search(r"[^\s\u00a0\u202f][;:?!](?=[ \"])", text.replace("RW…", ""))
    if language == "zh-Hans":
        assert not re.search(r"[\u4e00-\u9fff][,;:?!]", text)


def test_catalogue_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="line 2"):
        parse('msgid "a"\nmsgstr b')
