"""A package says whether the person asked for it themselves, and nobody's name or id."""

import json
from pathlib import Path

import msgspec
import pytest
from tests.unit.export.scripted import PEOPLE, ROWS_HEADER, Scripted, batch, yields
from tests.unit.export.world import CALLER, World

from rightful.identity.model import CallerKind
from rightful.package.verify import PackageState

ANN = "ann@contoso.example"
ADMIN = "0a0a0a0a-1111-4222-8333-c0ffee000001"


@pytest.mark.parametrize(
    ("kind", "object_id", "word", "line"),
    [
        (CallerKind.DELEGATED, "1", "subject", "you"),
        (CallerKind.DELEGATED, ADMIN, "organization", "the controller or one of its applications, for you"),
        (CallerKind.APPLICATION, ADMIN, "organization", "the controller or one of its applications, for you"),
    ],
    ids=["the person", "an administrator", "an application"],
)
@pytest.mark.parametrize("is_killed", [False, True])
def test_package_says_whether_the_person_asked(
    tmp_path: Path, kind: CallerKind, object_id: str, word: str, line: str, *, is_killed: bool
) -> None:
    world = World(tmp_path, PEOPLE, {"orders": Scripted(yields(ROWS_HEADER, batch((1, ANN, 0))))})
    caller = msgspec.structs.replace(CALLER, kind=kind, object_id=object_id, app_id="0b0b0b0b-1111-4222-8333-c0ffee000002")
    operation = world.submit("1", caller=caller)
    if is_killed:
        world.step()
        world.stop()
        world.start()
    world.run()
    package = world.package(operation)
    assert json.loads((package / "receipt.json").read_text())["askedBy"] == word
    assert f"Asked by:    {line}\n" in (package / "README.txt").read_text()
    assert f'"askedBy":"{word}"' in (package / "START-HERE.html").read_text().replace(": ", ":")
    for path in package.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert ADMIN.encode() not in content, path
            assert caller.app_id.encode() not in content, path
    assert world.verify(operation).state is PackageState.WHOLE
