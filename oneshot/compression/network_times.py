"""Latencies of smaller networks in rounds, as many as the machine's state makes necessary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from profiler.backends.base import Backend, Runner
from profiler.instruments.references import time_with_references
from profiler.instruments.timing import quiet, rebuild_runners

if TYPE_CHECKING:
    from spaces.elastic.space import ElasticSpace

Array = NDArray[np.float64]

# Relative deviation of medians, half of the error that is asked of estimates, at which more rounds
# would improve little.
_STEADY = 0.015
# Times the requested rounds, at most.
_MOST_REPEATS = 4


@dataclass(frozen=True)
class NetworkTimes:
    """Latencies of some networks, in one state of the machine.

    Args:
        codes: Codes [n, choices] of the networks.
        ratios: Latencies [n, rounds] over those of the reference networks around them.
        reference_ms: Mean latency of the reference networks.
    """

    codes: NDArray[Any]
    ratios: Array
    reference_ms: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "codes": self.codes.tolist(),
            "ratios": np.round(self.ratios, 6).tolist(),
            "reference_ms": round(self.reference_ms, 6),
        }

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> NetworkTimes:
        """Read the object that `to_dict` returned."""
        codes = np.array(value["codes"], dtype=np.int64)
        return cls(codes, np.array(value["ratios"], dtype=float), float(value["reference_ms"]))


def time_networks(
    space: ElasticSpace,
    backend: Backend,
    codes: NDArray[Any],
    *,
    threads: int,
    rounds: int,
    seed: int,
) -> NetworkTimes:
    """Measure networks in interleaved rounds, with the original and a smaller one as references.

    Args:
        space: Space of the networks.
        backend: Backend that runs them.
        codes: Codes [n, choices].
        threads: Number of threads on the processor.
        rounds: Number of rounds, up to four times as many where the machine is too unsteady for
            them.
        seed: Seed of the orders.
    """
    # Of two sizes: a slow state of the machine need not slow all sizes equally.
    middle = space.canonical(((space.candidates - 1) // 2)[None].astype(space.dtype))
    references = [space.original, *space.decode(middle)]
    architectures = space.decode(codes)

    def make() -> tuple[list[Runner], list[Runner]]:
        runners = rebuild_runners(backend, space, [*architectures, *references])
        return runners[: len(architectures)], runners[len(architectures) :]

    rng = np.random.default_rng(seed)
    parts: list[Array] = []
    references_ms = []
    with quiet(threads):
        while len(parts) < _MOST_REPEATS:
            times, states, timed = time_with_references(make, rounds, rng)
            parts.append(times / states)
            references_ms.append(timed.reference_ms)
            ratios = np.hstack(parts)
            if median_error(ratios) <= _STEADY:
                break

    return NetworkTimes(np.asarray(codes), ratios, float(np.median(references_ms)))


def median_error(ratios: Array) -> float:
    """Return the relative deviation of the medians of networks' rounds [n, rounds].

    It is one for all networks, unlike `tables.medians.relative_errors`: the spread of a few rounds
    of one network says little.
    """
    rounds = ratios.shape[1]
    # One round shows no deviation.
    if rounds < 2:
        return 0.0

    # Robust: medians ignore a disturbed round, which would make the noise too large.
    errors = np.abs(ratios / np.median(ratios, axis=1, keepdims=True) - 1)
    spread = 1.4826 * float(np.median(errors)) * np.sqrt(rounds / (rounds - 1))
    # The variance of a median of normal samples, in the limit of many.
    return float(spread * np.sqrt(np.pi / 2 / rounds))
