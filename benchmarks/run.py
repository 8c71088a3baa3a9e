"""`make bench`: measure the service and the yardstick on the same work, side by side.

    python -m benchmarks.run [--only small,large,queue,many,linear,estimates,lake,lakes,cluster,mailbox,files,big,leak,verify,zip,wire,
                                     pages,held,engine,soak,help]
                             [--scale S] [--runs N] [--json FILE] [--docs] [--offline]

Figures never fail the run; a wrong number of rows does.
"""

import argparse
import contextlib
import shutil
import sys
from pathlib import Path

from benchmarks import cases, figures, growth, rivals
from benchmarks.cluster import Cluster

_ROOT = Path(__file__).parent.parent
_SHORT_TABLE, _TABLE = _ROOT / "README.md", _ROOT / "docs" / "performance.md"


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only",
        default=",".join(name for name in cases.CASES if name not in cases.ONLY_NAMED),
        help=f"cases to run, separated by commas; without it all but {', '.join(sorted(cases.ONLY_NAMED))}",
    )
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well; - for stdout instead of the table")
    parser.add_argument("--runs", type=int, help="how often each case is measured, instead of its own number")
    parser.add_argument("--scale", type=float, default=1.0, help="how much data there is around the measured people")
    parser.add_argument("--docs", action="store_true", help="write the table, and the curves, into README.md and docs/performance.md")
    parser.add_argument("--offline", action="store_true", help="fetch no program to compare with; those that were fetched before are used")
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    unknown = [name for name in names if name not in cases.CASES]
    if unknown:
        parser.error(f"there is no case {', '.join(unknown)}; there are {', '.join(cases.CASES)}")
    if cases.HAS_RIVALS & set(names) and not arguments.offline:
        rivals.fetch()
    facts, found = figures.machine(), []
    with contextlib.ExitStack() as stack:
        needs_cluster = bool(cases.NEEDS_CLUSTER & set(names))
        cluster = stack.enter_context(Cluster(scale=arguments.scale)) if needs_cluster else Cluster(scale=arguments.scale)
        if needs_cluster:
            cases.settle(cluster)
        for name in names:
            print(f"measuring {name} …", file=sys.stderr)
            case, runs = cases.CASES[name]
            found += case(cluster, arguments.runs or runs)
    document = figures.as_json(found, facts)
    if arguments.json == "-":
        sys.stdout.write(document)
        return
    figures.show(found, facts)
    if arguments.json:
        Path(arguments.json).write_text(document, encoding="utf-8")
    if arguments.docs:
        figures.write_into(_SHORT_TABLE, figures.as_short_markdown(found, facts))
        figures.write_into(_TABLE, figures.as_markdown(found, facts))
        if "linear" in names:
            shutil.copy(growth.PLOT, _ROOT / "docs" / growth.PLOT.name)


if __name__ == "__main__":
    main()
