"""What may kill the process is done with nothing beside it; who waits for that keeps nobody waiting for long."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.unit.engines.world import PATIENCE_S

from rightful.engines.company import Company
from rightful.engines.solitude import ALONE_S, FIRST_PATIENCE_S, PUT_OFF_TIMES


def together(company: Company) -> None:
    """Let the first one come and go."""
    assert company.join()
    company.call_back()
    company.leave()


def test_first_one_is_alone_until_it_calls_the_others() -> None:
    company = Company(lambda: False)
    assert company.join()
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(company.join)
        assert company.send_away() == 0.0  # nobody is there
        assert not second.done()
        company.leave()
        assert company.join()  # it is still alone
        assert not second.done()
        company.call_back()
        assert second.result(PATIENCE_S)


def test_suspect_waits_until_the_others_are_done_and_they_for_it() -> None:
    company, went = Company(lambda: False, clock=lambda: 1.0), threading.Event()
    together(company)
    seen: list[str] = []

    def work(name: str, before: Callable[[], object] = lambda: None) -> None:
        assert company.join()
        before()
        seen.append(name)
        company.leave()

    is_in = threading.Event()

    def stay() -> None:
        is_in.set()
        assert went.wait(PATIENCE_S)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(work, "beside", stay)
        assert is_in.wait(PATIENCE_S)
        assert company.join()
        threading.Timer(0.05, went.set).start()
        assert company.send_away() == 0.0
        assert seen == ["beside"]
        assert company.others() == 0
        second = pool.submit(work, "after")
        seen.append("alone")
        company.leave()
        company.call_back()
        first.result(PATIENCE_S)
        second.result(PATIENCE_S)
    assert seen == ["beside", "alone", "after"]


def test_suspect_that_waits_too_long_is_put_off_and_others_go_on() -> None:
    ticks = itertools.count(step=FIRST_PATIENCE_S)
    company = Company(lambda: False, clock=lambda: next(ticks))
    together(company)
    with ThreadPoolExecutor(2) as pool:
        assert pool.submit(company.join).result(PATIENCE_S)  # and does not leave
        assert company.join()
        assert company.send_away() == PUT_OFF_TIMES * FIRST_PATIENCE_S
        assert company.others() == 1
        assert pool.submit(company.join).result(PATIENCE_S)


def test_others_begin_beside_a_suspect_that_takes_too_long() -> None:
    now = [1.0]
    company = Company(lambda: False, clock=lambda: now[0])
    assert company.join()
    assert company.send_away() == 0.0
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(company.join)
        assert not second.done()
        now[0] += ALONE_S
        assert second.result(PATIENCE_S)
    assert company.others() == 1


def test_nobody_waits_when_it_is_over() -> None:
    over = threading.Event()
    company = Company(over.is_set)
    assert company.join()
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(company.join)
        over.set()
        assert not second.result(PATIENCE_S)
    assert company.send_away() > 0
