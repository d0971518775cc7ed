"""Which architectures to run in order to see every block of a model whose choices depend on each
other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from spaces.user_model.factors import Place
from spaces.user_model.trace import Trace


def explore(
    start: NDArray[Any],
    places: Sequence[Place],
    candidates: Sequence[int],
    run: Callable[[NDArray[Any]], Trace],
    limit: int,
) -> int:
    """Run architectures until every mutable has met each of its candidates at all shapes of inputs
    that were seen.

    Every block of a model is met in which a mutable's inputs depend on few choices at a time, such
    as on a stride or a width chosen before; where several inputs vary by themselves, combinations
    of them may be missed.

    Args:
        start: codes [choices] of the first architecture.
        places: the mutables.
        candidates: how many each choice has.
        run: runs the architecture of some codes [choices].
        limit: of runs.

    Returns:
        How many architectures were run.
    """
    waiting, met, runs = [start], set[tuple[int, Any]](), 0
    queued = {start.tobytes()}
    while waiting and runs < limit:
        row = waiting.pop()
        runs += 1
        for site, signatures in run(row).signatures.items():
            given = tuple(shapes for shapes, _ in signatures)
            if (site, given) in met:
                continue
            met.add((site, given))
            column = places[site].column
            for code in range(candidates[column]):
                other = row.copy()
                other[column] = code
                if other.tobytes() not in queued:
                    queued.add(other.tobytes())
                    waiting.append(other)
    return runs
