"""Real processes that live a reference run, to be killed by the kernel: `python -m tests.faults.mortal` makes them, warm, one for each line
`RUN FOLDER` that it reads. Each stops itself before it begins, so that a tracer can come; its number is printed, then how it ended.
"""

import json
import os
import signal
import sys
from pathlib import Path

from tests.faults.ground import beside_main
from tests.faults.reference import MORTALS, NOTHING

from rightful.export import leak_check  # noqa: F401 - with polars, once for all


def main() -> None:
    """Make processes until no line comes any more."""
    for line in sys.stdin:
        run, _, folder = line.strip().partition(" ")
        child = os.fork()
        if not child:
            _live(run, Path(folder))
        print(child, flush=True)  # noqa: T201 - the protocol
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201 - as above


def _live(run: str, folder: Path) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    code = 2
    try:
        try:
            reference = MORTALS[run](folder)
            found = beside_main(lambda: reference.live(NOTHING)) or []
            code = int(found != [])
        except Exception as error:  # noqa: BLE001 - what a running service meets in its outermost loops, or ends by
            found = [type(error).__name__]
        target = os.open(folder.parent / f"{folder.name}.found", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.pwritev(target, [json.dumps(found).encode()], 0)  # no call of the service's: it may be failing
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
