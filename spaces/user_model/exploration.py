"""Search for every block of a model whose choices depend on each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from spaces.user_model.factors import Placement
from spaces.user_model.trace import Trace


def explore(
    start: NDArray[Any],
    places: Sequence[Placement],
    candidates: Sequence[int],
    run: Callable[[NDArray[Any]], Trace | None],
    limit: int,
) -> int:
    """Run architectures until every mutable has met each candidate at all shapes of its inputs.

    This meets every block of a model in which a mutable's inputs depend on few choices at a time,
    such as on a stride or a width of an earlier choice. Where several inputs vary independently,
    combinations of them may be missed.

    Args:
        start: Codes [choices] of the first architecture.
        places: Mutables of the model.
        candidates: Number of candidates of each choice.
        run: Runs the architecture of codes [choices]; None where the model fails.
        limit: Greatest number of runs.

    Returns:
        Number of architectures that were run.
    """
    pending = [start]
    queued = {start.tobytes()}
    met: set[tuple[int, Any]] = set()
    runs = 0
    while pending and runs < limit:
        row = pending.pop()
        runs += 1
        trace = run(row)
        for site, signatures in trace.signatures.items() if trace is not None else ():
            input_shapes = tuple(shapes for shapes, _ in signatures)
            if (site, input_shapes) in met:
                continue

            # Inputs of a new shape: every candidate may be another block there.
            met.add((site, input_shapes))
            column = places[site].column
            for code in range(candidates[column]):
                other = row.copy()
                other[column] = code
                if other.tobytes() not in queued:
                    queued.add(other.tobytes())
                    pending.append(other)

    return runs
