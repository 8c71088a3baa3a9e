"""In which language a package is written: as the request says, else the directory, else the tenant."""

import json
from pathlib import Path

import pytest
from tests.unit.export.scripted import ROWS_HEADER, Scripted, batch, yields
from tests.unit.export.world import World

from rightful.config.model import ExportSettings
from rightful.errors import Conflict

MAIL = "ann@contoso.example"


def world_of(folder: Path, directory: str = "", *, tenant: str = "") -> World:
    people = {"1": {"upn": (MAIL,), "mail": (MAIL,), "language": (directory,)}}
    return World(folder, people, {"orders": Scripted(yields(ROWS_HEADER, batch((1, MAIL, 0))))}, export=ExportSettings(language=tenant))


def opens_in(world: World, prefix: str) -> object:
    page = (world.exports / prefix / "START-HERE.html").read_text(encoding="utf-8")
    return json.loads(page.partition('id="overview">')[2].partition("</script>")[0])["language"]


@pytest.mark.parametrize(
    ("request_", "directory", "tenant", "language"),
    [
        ("ja", "fr-CA", "de", "ja"),
        ("", "fr-CA", "de", "fr"),
        ("", "da, zh-CN;q=0.5", "de", "zh-Hans"),
        ("", "pt-BR", "de-AT", "de"),
        ("", "", "de", "de"),
        ("", "pt", "", ""),
        ("", "", "", ""),
    ],
)
def test_language_is_the_requests_else_the_directorys_else_the_tenants(
    tmp_path: Path, *, request_: str, directory: str, tenant: str, language: str
) -> None:
    world = world_of(tmp_path, directory, tenant=tenant)
    operation = world.submit("1", language=request_)
    assert operation.language == language
    world.run()
    assert world.get(operation).language == language
    assert opens_in(world, operation.prefix) == language


def test_language_outlasts_a_kill_and_another_configuration(tmp_path: Path) -> None:
    world = world_of(tmp_path, "ja")
    operation = world.submit("1")
    world.stop()
    world.directory.change_user("1", {"upn": (MAIL,), "mail": (MAIL,), "language": ("fr",)})
    world.start()
    world.run()
    assert opens_in(world, operation.prefix) == "ja"


def test_repeat_gets_the_operation_unless_it_asks_for_another_language(tmp_path: Path) -> None:
    world = world_of(tmp_path, "ja")
    operation = world.submit("1", language="de")
    for same in ("", "de"):
        assert world.submit("1", language=same).operation_id == operation.operation_id
    with pytest.raises(Conflict, match="another language"):
        world.submit("1", language="fr")
    assert world.get(operation).language == "de"


def test_another_language_after_the_end_is_another_request(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    first = world.submit("1", client_request_id="c", language="de")
    world.run()
    assert world.submit("1", client_request_id="c", language="de").operation_id == first.operation_id
    assert world.submit("1", client_request_id="c", language="fr").operation_id != first.operation_id
    world.run()
    world.submit("1", idempotency_key="k", language="de")
    world.run()
    with pytest.raises(Conflict, match="another language"):
        world.submit("1", idempotency_key="k", language="fr")
