"""The metrics of benchmarks: their names tell unit and direction.

Accuracies are `DATA_valid_acc` and `DATA_test_acc` (percent), latencies `latency_ms@DEVICE`,
energies `energy_mj@DEVICE`, each with the batch size behind the device's name where the source
tells it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A measured quality: its unit and its better direction."""

    unit: str
    higher_is_better: bool


_BY_NAME = {
    "params": Metric("parameters", False),
    "macs": Metric("multiply-accumulates", False),
    "train_seconds": Metric("s", False),
    "arithmetic_intensity": Metric("operations per byte", True),
    "latency_ms": Metric("ms", False),
    "energy_mj": Metric("mJ", False),
}


_BY_NAME |= dict.fromkeys(
    (
        "synflow",
        "jacob_cov",
        "naswot",
        "snip",
        "grad_norm",
        "zen",
    ),  # zero-cost proxies; see predictor.proxies
    Metric("score", True),
)


_BY_END = {"_acc": Metric("percent", True), "_loss": Metric("nats", False)}


def metric_of(name: str) -> Metric | None:
    """Unit and better direction of a metric by its name; None where the name tells none."""
    quantity, at, where = name.partition("@")
    if quantity in _BY_NAME and not (at and not where):
        return _BY_NAME[quantity]
    return next(
        (metric for end, metric in _BY_END.items() if name.endswith(end) and len(name) > len(end)),
        None,
    )
