"""Metrics of architectures: their units, their better directions and where values come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spaces.errors import UnknownName

if TYPE_CHECKING:
    from spaces.space import SearchSpace


@dataclass(frozen=True)
class Metric:
    """A quantity that is known of an architecture.

    Args:
        unit: Unit of its values.
        higher_is_better: Whether a greater value is better.
        measured: Whether a device has to measure it. Other metrics follow from the architecture
            alone, or from its training.
        title: Name for people; empty where the metric's own name will do.

    Example:
        >>> Metric("ms", measured=True)
        Metric(unit='ms', higher_is_better=False, measured=True, title='')
    """

    unit: str
    higher_is_better: bool = False
    measured: bool = False
    title: str = ""

    @property
    def sign(self) -> float:
        """Factor that makes a value a score, of which greater is better."""
        return 1.0 if self.higher_is_better else -1.0

    def title_of(self, name: str) -> str:
        """Return the title, or else the metric's name as words."""
        return self.title or name.replace("_", " ")

    def text(self, value: float) -> str:
        """Return a value as text: two decimals of percentages, four of other units."""
        return f"{value:.2f}" if self.unit == "percent" else f"{value:.4f}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that evaluations, predictors and results record."""
        value: dict[str, Any] = {"unit": self.unit, "higher_is_better": self.higher_is_better}
        return {**value, "title": self.title} if self.title else value

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Metric:
        """Read the JSON object that `to_dict` returned."""
        return cls(
            str(value.get("unit", "")),
            value.get("higher_is_better") is True,
            title=str(value.get("title", "")),
        )


COSTS = {
    "latency_ms": Metric("ms", measured=True),
    "prefill_ms": Metric("ms", measured=True, title="latency of the prompt"),
    "decode_ms": Metric("ms", measured=True, title="latency of a token"),
    "macs": Metric("multiply-accumulates"),
    "binary_macs": Metric("multiply-accumulates", title="binary operations"),
    "params": Metric("parameters"),
    "memory_bytes": Metric("bytes", measured=True),
    "energy_mj": Metric("mJ", measured=True),
}
"""The metrics that cost models estimate and constraints limit."""

MEASURED = tuple(name for name, metric in COSTS.items() if metric.measured)
"""The costs that come from a device's lookup table."""

COUNTS = tuple(name for name, metric in COSTS.items() if not metric.measured)
"""The costs that follow from the architecture alone."""


def counts_of(space: SearchSpace) -> tuple[str, ...]:
    """Return the counts that networks of a space have: `binary_macs` of binary ones only.

    Args:
        space: Space of the networks.

    Example:
        >>> import spaces
        >>> counts_of(spaces.get("spos-tiny"))
        ('macs', 'params')
    """
    return tuple(name for name in COUNTS if name != "binary_macs" or space.has_binary_macs)


ALIASES = {"flops": "macs"}
"""Other names of costs: papers often write FLOPs for multiply-accumulates."""

MARGIN = 1.64
"""Standard deviations kept between an estimate and a limit: a one-sided 95% confidence."""

QUALITIES = {
    "cross_entropy": Metric("nats", title="cross-entropy"),
    "top1": Metric("percent", higher_is_better=True, title="top-1 accuracy"),
    "top5": Metric("percent", higher_is_better=True, title="top-5 accuracy"),
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


def known_metric(name: str) -> Metric | None:
    """Return a metric of trained networks or of benchmarks by its name, None for an unknown name.

    Example:
        >>> known_metric("top1").unit
        'percent'
    """
    return QUALITIES.get(name) or metric_of(name)


def describe_metric(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the name, unit, direction and title of the metric that a predictor records.

    Args:
        record: Record of the predictor's training, with its `metric`.

    Returns:
        The JSON object; without a direction where it is unknown, and empty where the record has no
        metric.

    Example:
        >>> describe_metric({"metric": "top1", "architectures": 240})
        {'metric': 'top1', 'unit': 'percent', 'higher_is_better': True, 'title': 'top-1 accuracy'}
    """
    name = record.get("metric")
    if not isinstance(name, str):
        return {}
    if "higher_is_better" in record:
        definition: Metric | None = Metric.from_dict(record)
    else:
        # Files of older versions record the name alone.
        definition = known_metric(name)
    return {"metric": name} | ({} if definition is None else definition.to_dict())


def metric_of(name: str) -> Metric | None:
    """Return the metric that a benchmark's column holds, None for an unknown name.

    Accuracies are named `DATA_valid_acc` and `DATA_test_acc`, losses likewise, latencies
    `latency_ms@DEVICE` and energies `energy_mj@DEVICE`. The device's name ends with the batch size
    where the source records it. Evaluations of a training's course have names such as
    `DATA_valid_acc:12`, after 12 epochs.

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

    stem, colon, epochs = name.rpartition(":")
    if colon and epochs.isascii() and epochs.isdigit():
        name = stem
    for suffix, metric in _BENCHMARK_SUFFIXES.items():
        if name.endswith(suffix) and len(name) > len(suffix):
            return metric
    return None
