"""Whatever columns are called and hold, what is proposed for them is a kind that there is."""

from hypothesis import given
from hypothesis import strategies as st

from rightful.sources.proposing import Found, Known, propose

WORDS = st.sampled_from(["badge", "card", "mail", "upn", "id", "employee", "employee_id", "user", "no", "name", "folder", ""])
ENDINGS = st.sampled_from(["", "_no", "_nr", "_num", "_number", "_id", "Id", "_no_id", "_nor"])
VALUES = st.lists(st.sampled_from(["1", "2", "17", "E1", "ann@contoso.example", ""]), max_size=4)


@given(
    kinds=st.dictionaries(WORDS.filter(bool), VALUES, max_size=5),
    columns=st.dictionaries(st.builds(str.__add__, WORDS, ENDINGS).filter(bool), VALUES, min_size=1, max_size=6),
)
def test_no_kind_is_proposed_that_is_not_there(kinds: dict[str, list[str]], columns: dict[str, list[str]]) -> None:
    table = Found(name="t", columns=tuple(columns), samples=columns)
    common = {"connector": "sql", "url": "sqlite:///x.db"}
    for proposal in propose("s", [table], common, Known.of(kinds, {}), parents={}, product="S")[0]:
        match = proposal.settings["match"]
        assert isinstance(match, dict)
        assert match.keys() <= columns.keys()
        assert set(match.values()) <= kinds.keys()


@given(kind=st.sampled_from(["badge", "card", "loyalty_card"]), ending=st.sampled_from(["", "_no", "_nr", "_num", "_number", "_id"]))
def test_a_kind_is_recognised_behind_every_ending_of_a_number(kind: str, ending: str) -> None:
    table = Found(name="t", columns=(kind + ending,), samples={kind + ending: ("1", "2")})
    known = Known.of({"mail": ["ann@contoso.example"], kind: ["1", "2"]}, {})
    [proposal], _ = propose("s", [table], {"connector": "sql", "url": "sqlite:///x.db"}, known, parents={}, product="S")
    assert proposal.settings["match"] == {kind + ending: kind}
