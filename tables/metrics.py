"""Metrics of architectures: their units, their better directions and where values come from."""

from __future__ import annotations

from dataclasses import dataclass

from spaces.errors import UnknownName


@dataclass(frozen=True)
class Metric:
    """A quantity that is known of an architecture.

    Args:
        unit: Unit of its values.
        higher_is_better: Whether a greater value is better.
        measured: Whether a device has to measure it. Other metrics follow from the architecture
            alone, or from its training.

    Example:
        >>> Metric("ms", measured=True)
        Metric(unit='ms', higher_is_better=False, measured=True)
    """

    unit: str
    higher_is_better: bool = False
    measured: bool = False


COSTS = {
    "latency_ms": Metric("ms", measured=True),
    "macs": Metric("multiply-accumulates"),
    "params": Metric("parameters"),
    "memory_bytes": Metric("bytes", measured=True),
    "energy_mj": Metric("mJ", measured=True),
}
"""The metrics that cost models estimate and constraints limit."""

MEASURED = tuple(name for name, metric in COSTS.items() if metric.measured)
"""The costs that come from a device's lookup table."""

COUNTS = tuple(name for name, metric in COSTS.items() if not metric.measured)
"""The costs that follow from the architecture alone."""

ALIASES = {"flops": "macs"}
"""Other names of costs: papers often write FLOPs for multiply-accumulates."""

MARGIN = 1.64
"""Standard deviations kept between an estimate and a limit: a one-sided 95% confidence."""

QUALITIES = {
    "cross_entropy": Metric("nats"),
    "top1": Metric("percent", higher_is_better=True),
    "top5": Metric("percent", higher_is_better=True),
}
"""The metrics of trained networks in evaluations."""

# Zero-cost proxies of predictor.proxies; benchmarks may have them as columns.
_PROXIES = (
    *("synflow", "synflow_bn", "jacob_cov", "naswot", "relu_count", "zen"),
    *("snip", "grad_norm", "plain", "grasp", "fisher"),
)

_BENCHMARK_METRICS = {
    **{name: COSTS[name] for name in ("params", "macs", "latency_ms", "energy_mj")},
    **dict.fromkeys(_PROXIES, Metric("score", higher_is_better=True)),
    "train_seconds": Metric("s", measured=True),
    "arithmetic_intensity": Metric("operations per byte", higher_is_better=True),
}

_BENCHMARK_SUFFIXES = {
    "_acc": Metric("percent", higher_is_better=True),
    "_loss": Metric("nats"),
}


def canonical_metric(name: str) -> str:
    """Return the canonical name of a cost.

    Args:
        name: Name or alias of a cost.

    Raises:
        UnknownName: No cost has this name.

    Example:
        >>> canonical_metric("flops")
        'macs'
    """
    canonical = ALIASES.get(name, name)
    if canonical not in COSTS:
        raise UnknownName("metric", name, (*COSTS, *ALIASES))
    return canonical


def unit_of(name: str) -> str:
    """Return the unit of a cost, an empty text for other names.

    Example:
        >>> unit_of("latency_ms")
        'ms'
    """
    return COSTS[name].unit if name in COSTS else ""


def metric_of(name: str) -> Metric | None:
    """Return the metric that a benchmark's column holds, None for an unknown name.

    Accuracies are named `DATA_valid_acc` and `DATA_test_acc`, losses likewise, latencies
    `latency_ms@DEVICE` and energies `energy_mj@DEVICE`. The device's name ends with the batch size
    where the source records it.

    Example:
        >>> metric_of("latency_ms@raspi4").unit
        'ms'
        >>> metric_of("cifar10_valid_acc").higher_is_better
        True
    """
    quantity, separator, device = name.partition("@")
    # Of a name with a separator the device must not be empty: `latency_ms@` is no metric.
    if quantity in _BENCHMARK_METRICS and bool(separator) == bool(device):
        return _BENCHMARK_METRICS[quantity]

    for suffix, metric in _BENCHMARK_SUFFIXES.items():
        if name.endswith(suffix) and len(name) > len(suffix):
            return metric
    return None
