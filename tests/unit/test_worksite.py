"""What a worker does where something of its own machine is wrong."""

import pytest
from structlog.testing import capture_logs

from rightful.worksite import Worksite


def test_work_goes_on_without_traces_where_they_cannot_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "0")
    site = Worksite()
    try:
        with capture_logs() as logs:
            traces = site._traces_to("http://127.0.0.1:9")
            assert site._traces_to("http://127.0.0.1:9") is traces
        assert not traces.is_on
        [said] = logs
        assert (said["log_level"], "no traces are sent from here" in said["event"]) == ("warning", True)
    finally:
        site.close(0)
