"""The promises against an enemy: damaged books, failing disks, links, a lying gateway, dead inputs.

    python benchmarks/attacked.py [damaged] [disk] [names] [gateway] [inputs] [files] [watchers]

Each part prints its rows; without a name, all of them (some five minutes on two cores).
`--scale 0.1` makes all parts a tenth as long, `--damaged 1000` one of them longer. What is done is
drawn from `--seed` and the number of the try: a broken promise is printed with both, and
`PART --seed S --only N` repeats that try alone. Exit code 1 where a promise is broken.
"""

import argparse
import faulthandler
import importlib
import logging
import sys
import time

TRIES = {
    "damaged": 200,
    "disk": 126,
    "names": 15,
    "gateway": 36,
    "inputs": 600,
    "files": 129,
    "watchers": 56,
}
MOST_S = 1200.0
"""After so long where everything stands is printed, and the benchmark ends."""


def options() -> argparse.Namespace:
    """Return what was asked for."""
    assert __doc__
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(TRIES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="N", help="the try of this number alone")
    parser.add_argument("--scale", type=float, default=1.0, help="tries of all parts, times this")
    for part, tries in TRIES.items():
        parser.add_argument(f"--{part}", type=int, metavar="TRIES", help=f"{tries} unless scaled")
    asked = parser.parse_args()
    unknown = [part for part in asked.parts if part not in TRIES]
    if unknown:
        parser.error(f"no part is called {', '.join(unknown)}: {', '.join(TRIES)}")
    if asked.only is not None and len(asked.parts) != 1:
        parser.error("--only needs the name of one part")
    return asked


def main() -> int:
    """Print the table."""
    asked = options()
    # Here: these need the extras, and --help does not.
    from _attacks.found import Found, print_head  # noqa: PLC0415  # see above

    faulthandler.dump_traceback_later(MOST_S, exit=True)
    logging.disable()  # what the attacked ones say of it is not the table
    print_head()
    broken, started = 0, time.monotonic()
    for part in asked.parts or TRIES:
        tries = getattr(asked, part) or max(1, round(TRIES[part] * asked.scale))
        found, since = Found(part, asked.seed, asked.only), time.monotonic()
        importlib.import_module(f"_attacks.{part}").attack(found, tries)
        print(f"{part}, {time.monotonic() - since:.0f} s")
        found.print()
        broken += len(found.broken)
    faulthandler.cancel_dump_traceback_later()
    print(f"seed {asked.seed}, {time.monotonic() - started:.0f} s, broken {broken}")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
