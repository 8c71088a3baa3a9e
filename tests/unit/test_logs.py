"""Logs: one level for everybody, no secret, one line an event."""

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog

from rightful import logs
from rightful.errors import ConfigurationError

SAS = "https://acct.blob.core.windows.net/c?sv=2024-05-04&sp=cw&sig=c2VjcmV0LXNpZ25hdHVyZQ%3D%3D&se=2030-01-01"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ"


def fail(message: str) -> None:
    raise ValueError(message)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, threading.excepthook
    yield
    threading.excepthook = hook
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def logged(form: str, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.configure({"RIGHTFUL_LOG_LEVEL": level, "RIGHTFUL_LOG_FORMAT": form}, stream=stream)
    return stream


@pytest.mark.parametrize("form", logs.FORMATS)
def test_no_secret_gets_out_whoever_logs_it(form: str) -> None:
    stream = logged(form)
    structlog.get_logger("ours").info("put", url=SAS, headers={"Authorization": f"Bearer {JWT}"}, parts=[SAS])
    logging.getLogger("library").warning("GET %s with %s", SAS, f"Bearer {JWT}")
    logging.getLogger("library").error("postgresql://reader:hunter2@db/shop password=hunter2")
    try:
        fail(SAS)
    except ValueError:
        structlog.get_logger("ours").exception("failed")
        logging.getLogger("library").exception("failed")
    text = stream.getvalue()
    assert text.count("failed") == 2
    assert not any(secret in text for secret in ("c2Vjc", "c2lnb", "hunter2", "sp=cw")), text


@pytest.mark.parametrize("form", logs.FORMATS)
def test_an_event_cannot_pretend_to_be_two(form: str) -> None:
    stream = logged(form)
    structlog.get_logger("ours").info("name\n2026-01-01 [info] forged", name="a\x1b[2Jb\r\nforged", other="\u202eabc")
    logging.getLogger("library").info("x\n%s", "forged")
    text = stream.getvalue()
    assert len(text.splitlines()) == 2
    assert not set(text) & {"\x1b", "\r", "\u202e"}


@pytest.mark.parametrize("form", logs.FORMATS)
def test_error_is_told_in_one_line_by_its_type_and_place(form: str) -> None:
    stream = logged(form)
    try:
        fail("ann@contoso.example\n2026-01-01 [info] forged")
    except ValueError as error:
        structlog.get_logger("ours").exception("failed")
        logging.getLogger("library").exception("failed")
        structlog.get_logger("ours").error("failed", exc_info=error)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert all("ValueError at test_logs.py:" in line for line in lines)
    assert not any("ann" in line or "forged" in line for line in lines)


def test_error_that_ends_a_thread_is_told_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    stream = logged("json")
    thread = threading.Thread(target=fail, args=("ann@contoso.example",), name="reads-0")
    thread.start()
    thread.join()
    event = json.loads(stream.getvalue())
    assert (event["event"], event["thread"]) == ("a thread ended with an error", "reads-0")
    assert event["error"].startswith("ValueError at ")
    assert "test_logs.py:" in event["error"]
    assert "ann" not in stream.getvalue() + capsys.readouterr().err


def test_json_lines_can_be_read() -> None:
    stream = logged("json")
    structlog.get_logger("ours").info("put", size_bytes=12, url=SAS)
    event = json.loads(stream.getvalue())
    assert (event["event"], event["size_bytes"], event["level"], event["logger"]) == ("put", 12, "info", "ours")
    assert event["url"] == "https://acct.blob.core.windows.net/c?***"


def test_level_is_everybodys() -> None:
    loud = logging.getLogger("library.loud")
    loud.setLevel(logging.DEBUG)
    loud.addHandler(logging.StreamHandler(io.StringIO()))
    quiet = logging.getLogger("library.quiet")
    quiet.setLevel(logging.ERROR)
    stream = logged("json", "info")
    loud.debug("not shown")
    quiet.info("shown")
    structlog.get_logger("ours").debug("not shown")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["shown"]
    stream = logged("json", "debug")
    loud.debug("shown")
    assert "shown" in stream.getvalue()


def test_wrong_level_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="RIGHTFUL_LOG_LEVEL"):
        logs.configure({"RIGHTFUL_LOG_LEVEL": "loud"}, stream=io.StringIO())
