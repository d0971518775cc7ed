"""The summary of a quickstart: predicted figures next to measured ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.table import Table

from oneshot.tasks.registry import metrics_of
from service.jobs import JsonObject
from service.quickstart.paths import NETWORKS, Paths
from tables.metrics import Metric


@dataclass(frozen=True)
class NetworkFigures:
    """All figures of a delivered network.

    Args:
        maximum_ms: Limit of the latency.
        sigma_ms: Standard deviation of measurements from the predicted latency.
        predicted_ms: Predicted latency.
        measured_ms: Measured latency in torch.
        normalised_ms: Measured latency at the clock rate of the table.
        onnx_ms: Measured latency under onnxruntime.
        macs: Multiply-accumulates.
        params: Parameters.
        metric: Metric that the search was guided by.
        definition: Unit and direction of that metric.
        predicted: Predicted value of that metric.
        deviation: Standard deviation of that prediction.
        supernet: Metrics of the network in the supernet.
        test: Test of the retrained network.
        metrics: Name -> unit and direction of the search's metric and those of the task.
    """

    maximum_ms: float
    sigma_ms: float
    predicted_ms: float
    measured_ms: float
    normalised_ms: float
    onnx_ms: float
    macs: float
    params: float
    metric: str
    definition: Metric
    predicted: float
    deviation: float
    supernet: JsonObject
    test: JsonObject
    metrics: Mapping[str, Metric]

    @property
    def tested(self) -> list[str]:
        """Metrics whose test has a 95% confidence interval."""
        return [name for name in self.metrics if f"{name}_interval" in self.test]

    def interval(self, name: str) -> tuple[float, float]:
        """Return the 95% confidence interval of a metric's test."""
        low, high = self.test[f"{name}_interval"]
        return low, high

    def title(self, name: str) -> str:
        """Return a metric's name for people."""
        return self.metrics[name].title_of(name)

    def text(self, name: str, value: float) -> str:
        """Return a metric's value: two decimals of percentages, four of other units."""
        return self.metrics[name].text(value)


def figures(paths: Paths) -> dict[str, NetworkFigures]:
    """Read the figures of the found and the random network.

    Args:
        paths: Files of a quickstart whose stages are done.
    """
    measurements = {entry["file"]: entry for entry in _read(paths.measured)["measured"]}
    figures_by_name = {}
    for network in NETWORKS:
        result = _read(paths.result(network))
        best = result["best"][0]
        limit = result["constraints"][0]
        guide = result["guide"]
        definition = Metric.from_dict(guide)
        evaluation = _read(paths.evaluation(network))
        torch = measurements[str(paths.architecture(network))]
        onnx = measurements[str(paths.onnx(network))]
        figures_by_name[network] = NetworkFigures(
            maximum_ms=limit["maximum"],
            sigma_ms=limit["sigma"],
            predicted_ms=best["costs"]["latency_ms"],
            measured_ms=torch["latency_ms"],
            normalised_ms=torch["normalised_ms"],
            onnx_ms=onnx["latency_ms"],
            macs=best["costs"]["macs"],
            params=best["costs"]["params"],
            metric=guide["metric"],
            definition=definition,
            predicted=definition.sign * best["score"],
            deviation=best["deviation"],
            supernet=evaluation["metrics"],
            test=_read(paths.retrained(network) / "test.json"),
            # A vote is no metric of the task.
            metrics={guide["metric"]: definition, **metrics_of(evaluation["source"]["task"])},
        )

    return figures_by_name


def print_summary(paths: Paths, console: Console) -> None:
    """Print the table of both networks, its interpretation, and the files that were written."""
    networks = figures(paths)
    table = Table("", "found", "random", title="predicted and measured")
    for title, text in [*_COSTS, *_quality_rows(networks["found"])]:
        table.add_row(title, *(text(networks[name]) for name in NETWORKS))

    console.print(table)

    for line in _remarks(networks, _read(paths.report)):
        console.print(line)
    if _is_found_by_chance(paths):
        console.print(
            "Chance drew the found network: few keep the limit with a margin for the uncertainty of"
            " the predicted latency, which is less on a quiet machine."
        )

    written = [
        paths.table,
        paths.evaluations,
        paths.predictor,
        paths.result("found"),
        paths.retrained("found"),
        paths.onnx("found"),
        paths.measured,
    ]
    console.print("written: " + ", ".join(map(str, written)))


def _is_found_by_chance(paths: Paths) -> bool:
    """Return whether the random network is the found one."""
    found, random = (_read(paths.result(name))["best"][0]["architecture"] for name in NETWORKS)
    return bool(found == random)


_Row: TypeAlias = tuple[str, Callable[[NetworkFigures], str]]

_COSTS: tuple[_Row, ...] = (
    ("latency allowed", lambda network: f"{network.maximum_ms:.4g} ms"),
    (
        "latency predicted",
        lambda network: f"{network.predicted_ms:.4g} ms +- {network.sigma_ms:.2g}",
    ),
    ("latency measured (torch)", lambda network: f"{network.measured_ms:.4g} ms"),
    ("  at the table's clock", lambda network: f"{network.normalised_ms:.4g} ms"),
    ("latency measured (onnxruntime)", lambda network: f"{network.onnx_ms:.4g} ms"),
    (
        "MACs, parameters",
        lambda network: f"{network.macs / 1e6:.3g}M, {network.params / 1e3:.3g}k",
    ),
)


def _quality_rows(network: NetworkFigures) -> list[_Row]:
    """Return the rows of the guide's metric, and of those whose test has an interval."""
    scored = network.title(network.metric)
    rows: list[_Row] = [
        (
            f"{scored} predicted",
            lambda row: f"{row.text(row.metric, row.predicted)} +- {row.deviation:.2g}",
        )
    ]
    # What a search predicts is evaluated only where it is a metric of the task.
    names = dict.fromkeys([network.metric, *network.tested])
    evaluated = [name for name in names if name in network.supernet]
    rows += [
        (f"validation {network.title(name)} in the supernet", partial(_in_supernet, name))
        for name in evaluated
    ]
    tested: list[_Row] = [
        (f"test {network.title(name)} retrained (95%)", partial(_tested, name))
        for name in network.tested
    ]

    return [*rows, *tested]


def _in_supernet(name: str, network: NetworkFigures) -> str:
    return network.text(name, network.supernet[name])


def _tested(name: str, network: NetworkFigures) -> str:
    low, high = (network.text(name, end) for end in network.interval(name))
    return f"{network.text(name, network.test[name])} ({low} to {high})"


def _remarks(networks: dict[str, NetworkFigures], report: JsonObject) -> list[str]:
    network = networks["found"]
    verdict = "met" if network.normalised_ms <= network.maximum_ms else "NOT met"
    error = network.predicted_ms / network.normalised_ms - 1
    side = "above" if error > 0 else "below"
    latency = (
        f"The latency limit is {verdict}: the prediction is {abs(error):.1%} {side} the measurement"
        " at the table's clock."
    )

    evidence = str(report["evidence"])
    ranking = f"{evidence[0].upper()}{evidence[1:]}."

    return [latency, ranking, *(_compare(networks, name) for name in network.tested)]


def _compare(networks: dict[str, NetworkFigures], metric: str) -> str:
    """Compare the tests of both networks by a metric."""
    title = networks["found"].title(metric)
    intervals = [networks[name].interval(metric) for name in NETWORKS]
    # Overlapping intervals are no proof of equality, only no proof of a difference.
    if max(low for low, _ in intervals) <= min(high for _, high in intervals):
        return f"The intervals of the test {title} overlap: digits are too easy to rank the two."

    return (
        f"The intervals of the test {title} do not overlap; digits are easy, so this does not"
        " carry over to other data."
    )


def _read(path: Path) -> JsonObject:
    value: JsonObject = json.loads(path.read_text(encoding="utf-8"))
    return value
