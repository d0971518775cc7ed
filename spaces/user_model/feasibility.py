"""Architectures with which a user's model fails, found when its space is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from spaces.errors import InvalidArchitecture
from spaces.space import Codes
from spaces.user_model.factors import Placement

# Random architectures that are tried before a model, or a candidate, is considered broken.
_ATTEMPTS = 32


def first_working(
    start: NDArray[Any], probes: Callable[[int], Codes], run: Callable[[NDArray[Any]], object]
) -> NDArray[Any]:
    """Return codes [choices] of an architecture with which the model runs.

    Args:
        start: Codes [choices] that are tried first.
        probes: Samples n random architectures, codes [n, choices].
        run: Runs the architecture of codes [choices].

    Raises:
        InvalidArchitecture: The model fails with all that are tried; the first is named.
    """
    try:
        run(start)
        return start
    except InvalidArchitecture as error:
        rows: list[NDArray[Any]] = list(probes(_ATTEMPTS))
        for row in rows:
            if _works(row, run):
                return row
        raise error


def check_candidates(
    places: Sequence[Placement],
    candidates: Sequence[int],
    canonical: Callable[[NDArray[Any]], NDArray[Any]],
    probes: Callable[[int], Codes],
    run: Callable[[NDArray[Any]], object],
) -> None:
    """Check that each candidate works in some architecture.

    A combination of candidates that fails is no architecture of the space. A candidate that always
    fails is a fault of the model, of which its author should hear.

    Args:
        places: Mutables of the model.
        candidates: Number of candidates of each choice.
        canonical: Brings codes [choices] into canonical form.
        probes: Samples n random architectures, codes [n, choices].
        run: Runs the architecture of codes [choices].

    Raises:
        InvalidArchitecture: A candidate works in none of those that are tried; one is named.
    """
    draws = probes(_ATTEMPTS)
    worked: set[tuple[int, int]] = set()
    for placement in places:
        for code in range(candidates[placement.column]):
            failure: InvalidArchitecture | None = None
            for draw in draws:
                if (placement.column, code) in worked:
                    break
                row = canonical(_with_candidate(draw, placement, code))
                if row[placement.column] != code:
                    # The mutable never belongs to a network, or a key inside excludes this one.
                    break
                try:
                    run(row)
                except InvalidArchitecture as error:
                    failure = failure or error
                else:
                    worked.update(enumerate(row.tolist()))

            if failure is not None and (placement.column, code) not in worked:
                raise failure


def _works(row: NDArray[Any], run: Callable[[NDArray[Any]], object]) -> bool:
    try:
        run(row)
    except InvalidArchitecture:
        return False
    return True


def _with_candidate(row: NDArray[Any], placement: Placement, code: int) -> NDArray[Any]:
    """Return codes in which a mutable belongs to the network and has a candidate."""
    changed = row.copy()
    for column, accepted in placement.chains[0] if placement.chains else ():
        if changed[column] not in accepted:
            changed[column] = min(accepted)
    changed[placement.column] = code
    return changed
