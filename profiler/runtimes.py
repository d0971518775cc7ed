"""One network on all runtimes of this machine, to decide which one to deploy on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profiler.backends.registry import make_backend
from profiler.errors import InvalidBackend, UnsupportedConditions
from profiler.instruments.timing import quiet, settle
from profiler.measurement import Latency, time_runners
from spaces.console.group import EXTRAS
from spaces.errors import InvalidBlock, MissingExtra
from spaces.files import replacing

if TYPE_CHECKING:
    import numpy as np

    from profiler.backends.base import Conditions, Runner
    from spaces.architecture import Architecture
    from spaces.space import SearchSpace

_COLOUR = "#1f77b4"


@dataclass(frozen=True)
class RuntimeLatency:
    """The latency of a network on one runtime.

    Args:
        runtime: Name of the backend.
        latency: Measured latency. None: the runtime does not run the network here.
        reason: Why it does not; empty where it does.
    """

    runtime: str
    latency: Latency | None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        if self.latency is None:
            return {"runtime": self.runtime, "reason": self.reason}
        return {"runtime": self.runtime, **self.latency.to_dict()}


def measure_runtimes(
    space: SearchSpace,
    architecture: Architecture,
    conditions: Conditions,
    names: Sequence[str],
    *,
    rounds: int,
    rng: np.random.Generator,
) -> list[RuntimeLatency]:
    """Time an architecture's network on several runtimes in interleaved rounds.

    Args:
        space: Space of the network.
        architecture: Architecture of the network.
        conditions: Conditions of all runtimes.
        names: Names of the backends.
        rounds: Number of rounds.
        rng: Random generator of the orders.

    Returns:
        The runtimes that ran the network, the fastest first, and then the others with the reason:
        they are not installed, or lack the device, the precision or one of the network's layers.
    """
    runners: dict[str, Runner] = {}
    missing: list[RuntimeLatency] = []
    for name in names:
        try:
            with quiet(conditions.threads):
                backend = make_backend(name, conditions)
                runners[name] = settle(backend.network_runner(space, architecture), backend)
        # InvalidBackend is a plug-in that cannot be loaded, InvalidBlock a layer that is unknown.
        except (UnsupportedConditions, InvalidBackend, InvalidBlock) as error:
            missing.append(RuntimeLatency(name, None, str(error)))
        except ModuleNotFoundError as error:
            missing.append(RuntimeLatency(name, None, _missing(error)))

    if not runners:
        return missing

    times = time_runners(list(runners.values()), threads=conditions.threads, rounds=rounds, rng=rng)
    measured = [
        RuntimeLatency(name, Latency.from_series(series))
        for name, series in zip(runners, times, strict=True)
    ]
    return [*sorted(measured, key=_milliseconds), *missing]


def _missing(error: ModuleNotFoundError) -> str:
    """Return how to install a package; raises the error where no extra has it."""
    package = (error.name or "").partition(".")[0]
    # Any other missing module is a defect, whose traceback is needed.
    if package not in EXTRAS:
        raise error
    return str(MissingExtra(package, EXTRAS[package]))


def _milliseconds(entry: RuntimeLatency) -> float:
    assert entry.latency is not None
    return entry.latency.latency_ms


def plot_runtimes(latencies: Sequence[RuntimeLatency], title: str, path: str | Path) -> None:
    """Write a bar chart of runtimes as PNG, the fastest on top.

    Args:
        latencies: Runtimes; those without a latency are left out.
        title: Title of the picture.
        path: File to write.

    Raises:
        InvalidFile: The folder cannot be written to.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    measured = [entry for entry in latencies if entry.latency is not None]
    values = [_milliseconds(entry) for entry in measured]
    deviations = [entry.latency.iqr_ms / 2 for entry in measured if entry.latency is not None]

    # Without pyplot, which would keep the figure and may need a display.
    figure = Figure(figsize=(8, 1.2 + 0.5 * len(measured)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    positions = range(len(measured))
    axes.barh(positions, values, xerr=deviations, color=_COLOUR)
    axes.set_yticks(positions, [entry.runtime for entry in measured])
    # matplotlib counts rows from below.
    axes.invert_yaxis()
    axes.set_xlabel("ms, bars of the inter-quartile range")
    axes.set_title(title)

    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)
