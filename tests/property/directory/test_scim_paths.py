"""Paths and filters: what a person's identifier holds never becomes a part of a filter, as another reader of SCIM has it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scim2_models import EnterpriseUser, ScimFilter, User
from scim2_models.path import Comparison, LogicalExpr, ValuePath

from rightful.directory.scim_paths import AttributePath, BadPath, parse, quoted

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATHS = (
    "userName",
    "USERNAME",
    "externalId",
    "roles.value",
    'roles[type eq "work"].value',
    "roles[primary eq true].value",
    "name.familyName",
    f"{ENTERPRISE}:employeeNumber",
    "urn:ietf:params:scim:schemas:core:2.0:User:nickName",
)
VALUES = st.text('"\\ ()[]\0\n\u2028a1@eq or', max_size=10) | st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


def resource(value: str, work: str, home: str) -> dict[str, Any]:
    roles = [{"type": "Work", "value": work, "primary": False}, {"type": "home", "value": home, "primary": True}, {"type": "work"}]
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "userName": value,
        "externalId": work,
        "nickName": home,
        "name": {"familyName": value},
        "roles": roles,
        ENTERPRISE: {"employeeNumber": value},
    }


@settings(deadline=None)
@given(VALUES)
def test_a_value_is_one_string_that_ends_where_it_ends(value: str) -> None:
    text = quoted(value)
    assert json.JSONDecoder().raw_decode(text) == (value, len(text))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(PATHS), VALUES)
def test_a_filter_says_to_another_reader_what_was_meant(path: str, value: str) -> None:
    told = ScimFilter[User[EnterpriseUser]](parse(path).equals(value)).ast
    if isinstance(told, ValuePath):
        assert isinstance(told.val_filter, LogicalExpr)
        told = told.val_filter.terms[-1]
    assert isinstance(told, Comparison)
    assert (told.op.value, told.value) == ("eq", value)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(PATHS), *[st.sampled_from(["a", "b", 'a" or userName pr or "', "é", "\\", ""])] * 4)
def test_what_we_see_is_what_another_reader_finds(path: str, value: str, work: str, home: str, wanted: str) -> None:
    seen = parse(path).values(resource(value, work, home))
    assert seen == sorted(set(seen) - {""})
    if wanted:
        user = User[EnterpriseUser].model_validate(resource(value or "-", work, home))
        assert ScimFilter[User[EnterpriseUser]](parse(path).equals(wanted)).match(user) == (wanted in seen)


NAMES = st.from_regex(r"[A-Za-z$][A-Za-z0-9_-]{0,8}", fullmatch=True)
WRITTEN = st.builds(
    AttributePath,
    st.sampled_from(["", ENTERPRISE, "urn:x:2.0:Thing"]),
    NAMES,
    st.just(""),
    st.just(""),
    st.just("") | NAMES,
) | st.builds(
    AttributePath,
    st.just(""),
    NAMES,
    NAMES,
    st.booleans() | st.text("abc [].:", min_size=1, max_size=6),
    st.just("") | NAMES,
)


@given(WRITTEN)
def test_a_path_is_read_as_it_was_written(path: AttributePath) -> None:
    condition = f"[{path.of} eq {json.dumps(path.given)}]" if path.of else ""
    assert parse(f"{path.requested}{condition}{'.' * bool(path.part)}{path.part}") == path


@given(st.text(max_size=20) | st.text('urn:.[]" eqa1', max_size=20))
def test_anything_else_is_no_path(text: str) -> None:
    try:
        path = parse(text)
    except BadPath:
        return
    assert "\n" not in text
    assert text.startswith(path.requested)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "value", "VALUE", "a"]), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.sampled_from(["a", "a.value", 'a[type eq "x"].value', "a[type eq true]", f"{ENTERPRISE}:a"]), JSON)
def test_whatever_stands_there_is_texts_or_refused(path: str, found: object) -> None:
    for holder in ({"a": found}, {ENTERPRISE: found}):
        try:
            seen = parse(path).values(holder)
        except BadPath:
            continue
        assert "" not in seen


@pytest.mark.parametrize(
    "text", ["", "a b", "a.b.c", 'a[b eq "c"', 'a[b ne "c"]', "a[b eq c]", "urn:x:", ".a", "a.", "a\n", "1a", 'a[b eq "\\""]']
)
def test_these_are_no_paths(text: str) -> None:
    with pytest.raises(BadPath):
        parse(text)


def test_a_condition_has_no_letter_case() -> None:
    found = resource("a", "b", "c")
    assert parse('roles[TYPE eq "wORK"].value').values(found) == ["b"]
    assert parse("Roles[primary eq true]").values(found) == ["c"]
    assert parse("roles.value").values(found) == ["b", "c"]
