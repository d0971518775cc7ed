"""Run the speed benchmarks of two checkouts in turn and print the ratios of their figures.

    python benchmarks/compare_speed.py ../pathfit-before . [--only space_speed] [--turns 3]

The checkouts alternate, because a machine's speed drifts within minutes. Every row of a benchmark's
table gives one figure of each checkout, the median of its turns. A ratio above 1 means that the
second checkout takes longer.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

COMMANDS: dict[str, list[str]] = {
    "help": ["-m", "oneshot", "--help"],
    "space_speed": ["benchmarks/space_speed.py", "-n", "2000000", "--repeats", "3"],
    "search_speed": ["benchmarks/search_speed.py", "--repeats", "3"],
    "predictor_speed": ["benchmarks/predictor_speed.py", "--repeats", "3"],
    # A few paths: what the checkouts differ in is a ratio, and all paths take 15 minutes a turn.
    "supernet_step": ["benchmarks/supernet_step.py", "--clock", "cpu", "--paths", "4"],
    "proxyless_step": [
        "benchmarks/proxyless_step.py",
        "--clock",
        "cpu",
        "--paths",
        "3",
        "--threads",
        "1",
    ],
}
"""Name -> arguments of Python; `predictor_speed` reads PATHFIT_REFERENCE_DATA."""

NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w.])")


def run(checkout: Path, arguments: list[str]) -> dict[tuple[str, int], float]:
    """Return (text of a row, position of a number in it) -> number, and the seconds in all."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "COLUMNS": "200"}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{checkout}: {' '.join(arguments)}\n{done.stdout}{done.stderr}")

    figures = {("whole process, s", 0): seconds}
    if arguments[0] == "-m":
        return figures
    for line in done.stdout.splitlines():
        label = " ".join(re.findall(r"[A-Za-z][\w()+ -]*", line))
        for position, number in enumerate(NUMBER.findall(line)):
            figures[label.strip(), position] = float(number.replace(",", ""))
    return figures


def main() -> None:
    """Print a row for every figure that both checkouts report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--only", action="append", choices=sorted(COMMANDS), help="may be repeated")
    parser.add_argument("--turns", type=int, default=3, help="runs of each checkout [default: 3]")
    options = parser.parse_args()
    checkouts = (options.before.resolve(), options.after.resolve())

    for name in options.only or COMMANDS:
        values: dict[tuple[str, int], dict[Path, list[float]]] = defaultdict(
            lambda: {checkout: [] for checkout in checkouts}
        )
        for turn in range(options.turns):
            # The order alternates too, so that neither always runs on the warmer processor.
            for checkout in checkouts[:: 1 if turn % 2 == 0 else -1]:
                for row, figure in run(checkout, COMMANDS[name]).items():
                    values[row][checkout].append(figure)

        print(f"\n{name}: before, after, ratio", flush=True)
        for (label, position), figures in values.items():
            if not all(figures.values()):
                continue
            before, after = (statistics.median(figures[checkout]) for checkout in checkouts)
            ratio = f"{after / before:.3f}" if before else "-"
            print(f"  {label[:70]:70} [{position}] {before:12.4g} {after:12.4g} {ratio:>7}")


if __name__ == "__main__":
    main()
