"""How long importing s2v_detect takes beyond importing what it stands on.

    python benchmarks/importing.py [--rounds 15]

Each import runs in an interpreter of its own; rounds alternate.
"""

import argparse
import subprocess
import sys
from statistics import median

# `import pydantic` loads next to nothing: pydantic itself is loaded by the first model.
BARE = "import httpx, pydantic, tenacity, anyio"
IMPORTS = {
    "httpx, pydantic, tenacity, anyio": BARE,
    "the same, and one pydantic model": f"{BARE}; type('M', (pydantic.BaseModel,), {{}})",
    "the same four, and s2v_detect": f"{BARE}; import s2v_detect",
}
TIMED = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"


def imported_s(statement: str) -> float:
    """Return the seconds of one import in a fresh interpreter."""
    done = subprocess.run(  # noqa: S603  # our own line
        [sys.executable, "-c", TIMED.format(statement)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="Import time over the dependencies'.")
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(rounds):
        for name, statement in IMPORTS.items():
            times[name].append(imported_s(statement))
    for name, took in times.items():
        print(f"{name:38}{1000 * median(took):>6.0f} ms")
    bare, used, ours = times.values()
    for what, theirs in (("over them with one model", used), ("over them without", bare)):
        over_s = median(mine - its for mine, its in zip(ours, theirs, strict=True))
        print(f"{what:38}{1000 * over_s:>6.0f} ms   goal <= 50 ms")


if __name__ == "__main__":
    main()
