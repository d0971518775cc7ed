"""The measurement of networks of text, each phase after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from profiler.backends.base import Backend
from profiler.building.measuring import Measured, measure_space
from profiler.building.settings import Instruments, Settings
from profiler.errors import IncompleteMeasurement
from spaces.progress import Progress
from spaces.space import SearchSpace
from tables.conditions import LENGTHS
from tables.lookup_table import Measurement


def measure_phases(
    space: SearchSpace,
    backend: Backend,
    settings: Settings,
    conditions: Mapping[str, Any],
    progress: Progress,
    instruments: Instruments,
) -> Measured:
    """Measure every phase of a space, each with its part of the budget; arguments as of `build`.

    Raises:
        IncompleteMeasurement: As `measure_space`, or the measurement was interrupted before the
            last phase.
    """
    count = len(space.phases)
    parts: dict[str, Measured] = {}
    for index, phase in enumerate(space.phases):

        def phase_progress(fraction: float, text: str, index: int = index) -> None:
            progress((index + min(fraction, 1.0)) / count, f"{space.phases[index]}: {text}")

        # An interrupted phase ends the build, which has nothing of the phases after it.
        if any(part.measurement.stopped_by == "interrupt" for part in parts.values()):
            raise IncompleteMeasurement(
                f"interrupted before the phase {phase}, which is too early for a table"
            )

        parts[phase] = measure_space(
            space.at_phase(phase, conditions[LENGTHS[phase]]),
            backend,
            replace(settings, budget_s=settings.budget_s / count),
            phase_progress,
            instruments,
        )

    return Measured(
        _joined([part.measurement for part in parts.values()], list(parts), settings.budget_s),
        {key: cost for part in parts.values() for key, cost in part.blocks.items()},
        tuple(
            replace(sample, phase=phase)
            for phase, part in parts.items()
            for sample in part.networks
        ),
    )


def _joined(
    measurements: Sequence[Measurement], phases: Sequence[str], budget_s: float
) -> Measurement:
    """Return the circumstances of all phases: sums, and the worst precision."""
    reasons = {measurement.stopped_by for measurement in measurements}
    stopped_by = next(name for name in ("interrupt", "budget", "precision") if name in reasons)
    references = [measurement.reference_ms for measurement in measurements]

    # The references are the same networks in all phases, because all have the same seed.
    return replace(
        measurements[0],
        rounds=sum(measurement.rounds for measurement in measurements),
        seconds=round(sum(measurement.seconds for measurement in measurements), 2),
        budget_s=budget_s,
        stopped_by=stopped_by,
        standard_error=max(measurement.standard_error for measurement in measurements),
        reference_ms=round(sum(references), 6),
        phases=dict(zip(phases, references, strict=True)),
    )
