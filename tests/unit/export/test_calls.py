from rightful.export.calls import Calls
from rightful.ids import OperationId

FIRST, SECOND, THIRD = (OperationId(f"00000000-0000-4000-8000-00000000000{number}") for number in range(1, 4))


class _Asked:
    def __init__(self, call: str) -> None:
        self.call = call
        self.times = 0

    def __call__(self) -> str:
        self.times += 1
        return self.call


def test_what_the_shards_of_an_operation_call_is_asked_for_once() -> None:
    calls, first, second = Calls(), _Asked("first"), _Asked("second")
    assert [calls.of(FIRST, first), calls.of(SECOND, second), calls.of(FIRST, first)] == ["first", "second", "first"]
    assert (first.times, second.times) == (1, 1)


def test_an_operation_that_ended_is_forgotten() -> None:
    calls, first = Calls(), _Asked("first")
    calls.of(FIRST, first)
    calls.forget(FIRST)
    calls.forget(FIRST)
    calls.of(FIRST, first)
    assert first.times == 2


def test_only_the_latest_are_kept() -> None:
    calls, first = Calls(most=2), _Asked("first")
    calls.of(FIRST, first)
    for operation_id in (SECOND, THIRD, FIRST):
        calls.of(operation_id, first)
    assert first.times == 4
    calls.of(THIRD, first)
    assert first.times == 4
