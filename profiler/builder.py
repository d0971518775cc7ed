"""Building a lookup table: blocks timed inside whole sampled networks, in interleaved rounds.

Timed alone, blocks find the caches and clocks that they made themselves; their sum misses whole networks by a fifth
and ranks them badly. Inside networks each block meets what its neighbours leave it.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler.backends.base import Backend, Runner
from profiler.timing import quiet, runs_for, warm_up
from spaces.space import Codes, SearchSpace
from tables.lookup_table import BlockCost, LookupTable, Measurement, NetworkSample

FEWEST_ROUNDS = 8


@dataclass(frozen=True)
class Settings:
    """How a table is measured.

    Args:
        budget_s: seconds after which no further round begins.
        precision_target: relative standard error of every block's median that is enough.
        fewest_networks: whole networks that the correction needs at least, if the budget allows.
        threads: torch threads on the processor.
        seed: of the sampled networks and their order.
    """

    budget_s: float = 60.0
    precision_target: float = 0.01
    fewest_networks: int = 200
    threads: int = 1
    seed: int = 0


@dataclass
class _Samples:
    """What the rounds gave: block key -> [(round, ms)], whole networks, the reference's median of every round."""

    blocks: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    networks: list[tuple[tuple[int, ...], int, tuple[float, ...]]] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)

    def drift_free(self) -> dict[str, NDArray[np.float64]]:
        """Block key -> its times [samples] in units of the reference network's time in the same rounds."""
        state = smoothed(np.array(self.reference))
        return {key: np.array([ms / state[number] for number, ms in pairs]) for key, pairs in self.blocks.items()}


Progress = Callable[[float, str], None]
"""Told the share of the budget that is spent, and a word on the state."""


def build(
    space: SearchSpace,
    backend: Backend,
    settings: Settings,
    *,
    name: str,
    device: Mapping[str, Any],
    conditions: Mapping[str, Any],
    command: str | None = None,
    progress: Progress = lambda share, text: None,
) -> LookupTable:
    """Measure the blocks of a space on a backend.

    Args:
        space: whose blocks and networks.
        backend: runs them.
        settings: budget, precision, seed.
        name: of the table.
        device: the device's identity.
        conditions: backend, batch, precision, threads.
        command: what the user typed; default: this process's command line.
        progress: called after every round.
    """
    from spaces import __version__

    rng = np.random.default_rng(settings.seed)
    reference_codes = space.sample(rng, 1)
    begin = time.monotonic()
    samples = _Samples()
    with quiet(settings.threads):
        reference = backend.runner(space.blocks(space.decode(reference_codes)[0]))
        latency_ms = warm_up(reference)
        runs = runs_for(latency_ms)
        enough = False
        while not enough:
            _measure_round(space, backend, reference, runs, rng, samples)
            error, seconds = _standard_error(samples), time.monotonic() - begin
            enough = _enough(samples, settings, seconds, error)
            progress(seconds / settings.budget_s, f"round {len(samples.reference)}, standard error {error:.1%}")
    reference_ms = float(np.median(samples.reference))
    drift = reference_ms / smoothed(np.array(samples.reference))
    return LookupTable(
        name=name,
        space=space.name,
        device=dict(device),
        conditions=dict(conditions),
        versions={"pathfit": __version__, **backend.versions()},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command if command is not None else shlex.join(sys.argv),
        seed=settings.seed,
        measurement=Measurement(
            rounds=len(samples.reference),
            seconds=round(seconds, 2),
            budget_s=settings.budget_s,
            stopped_by="precision" if error <= settings.precision_target else "budget",
            standard_error=round(error, 5),
            reference_codes=tuple(map(int, reference_codes[0])),
            reference_ms=_digits(reference_ms),
        ),
        blocks=_block_costs(samples, reference_ms),
        networks=tuple(
            NetworkSample(codes, number, tuple(map(_digits, times)), _digits(reference_ms / drift[number]))
            for codes, number, times in samples.networks
        ),
    )


def latin_networks(space: SearchSpace, rng: np.random.Generator) -> Codes:
    """Codes [n, choices] of as many networks as the widest choice has candidates.

    Each candidate of each choice occurs in them, as equally often as the counts allow: a Latin arrangement.
    """
    count = int(space.candidates.max())
    codes = np.empty((count, len(space.choices)), dtype=space.dtype, order="F")
    for column, candidates in enumerate(space.candidates):
        codes[:, column] = rng.permutation(np.resize(rng.permutation(candidates), count))
    return codes


def smoothed(reference: NDArray[np.float64], window: int = 5) -> NDArray[np.float64]:
    """Rolling median of the reference's times: a drift lasts for rounds, one disturbed round is noise."""
    half = window // 2
    return np.array([np.median(reference[max(0, i - half) : i + half + 1]) for i in range(len(reference))])


def _measure_round(
    space: SearchSpace, backend: Backend, reference: Runner, runs: int, rng: np.random.Generator, samples: _Samples
) -> None:
    number = len(samples.reference)
    reference_times: list[float] = []
    networks = latin_networks(space, rng)
    for row in networks[rng.permutation(len(networks))]:
        blocks = space.blocks(space.decode(row[None])[0])
        runner = backend.runner(blocks)
        runner.whole()
        runner.blocks()
        wholes, parts = [], []
        for _ in range(runs):
            wholes.append(runner.whole())
            parts.append(runner.blocks())
        samples.networks.append((tuple(map(int, row)), number, tuple(wholes)))
        for block, times in zip(blocks, np.median(np.array(parts), axis=0), strict=True):
            samples.blocks.setdefault(block.key, []).append((number, float(times)))
        # The reference is spread over the round, so that it sees what the networks see.
        reference.whole()
        reference_times += [reference.whole() for _ in range(max(2, runs // 2))]
    samples.reference.append(float(np.median(reference_times)))


def _enough(samples: _Samples, settings: Settings, spent: float, error: float) -> bool:
    rounds = len(samples.reference)
    if rounds < FEWEST_ROUNDS:
        return False
    if spent >= settings.budget_s:
        return True
    measured = len(samples.networks) >= settings.fewest_networks
    return measured and error <= settings.precision_target


def _standard_error(samples: _Samples) -> float:
    """The largest relative standard error of a block's median: 1.2533 deviation / sqrt(n), deviation = IQR / 1.349."""
    worst = 0.0
    # Of the times as the table will give them: a device that only drifts can be measured precisely.
    for times in samples.drift_free().values():
        low, middle, high = np.percentile(times, [25, 50, 75])
        worst = max(worst, 1.2533 * (high - low) / 1.349 / np.sqrt(len(times)) / middle)
    return float(worst)


def _block_costs(samples: _Samples, reference_ms: float) -> dict[str, BlockCost]:
    from spaces.block import Block

    costs: dict[str, BlockCost] = {}
    for key, times in sorted(samples.drift_free().items()):
        low, middle, high = reference_ms * np.percentile(times, [25, 50, 75])
        block = Block.from_key(key)
        costs[key] = BlockCost(_digits(middle), _digits(high - low), len(times), block.macs, block.params)
    return costs


def _digits(value: float) -> float:
    # A nanosecond is finer than any clock here; more digits would only fill the file.
    return round(float(value), 6)
