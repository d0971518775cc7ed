"""The summary of a quickstart: predicted figures next to measured ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from service.jobs import JsonObject
from service.quickstart.paths import NETWORKS, Paths


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
        predicted_cross_entropy: Predicted validation cross-entropy in the supernet, in nats.
        deviation: Standard deviation of that prediction.
        supernet: Metrics of the network in the supernet.
        test: Test of the retrained network.
    """

    maximum_ms: float
    sigma_ms: float
    predicted_ms: float
    measured_ms: float
    normalised_ms: float
    onnx_ms: float
    macs: float
    params: float
    predicted_cross_entropy: float
    deviation: float
    supernet: JsonObject
    test: JsonObject

    @property
    def test_interval(self) -> str:
        """The 95% confidence interval of the test top-1."""
        low, high = self.test["top1_interval"]
        return f"{low:.2f} to {high:.2f}"


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
            predicted_cross_entropy=-best["score"],
            deviation=best["deviation"],
            supernet=_read(paths.evaluation(network))["metrics"],
            test=_read(paths.retrained(network) / "test.json"),
        )

    return figures_by_name


def print_summary(paths: Paths, console: Console) -> None:
    """Print the table of both networks, its interpretation, and the files that were written."""
    networks = figures(paths)
    table = Table("", "found", "random", title="predicted and measured")
    for title, text in _ROWS:
        table.add_row(title, *(text(networks[name]) for name in NETWORKS))

    console.print(table)
    for line in _remarks(networks, _read(paths.report)):
        console.print(line)

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


_ROWS: tuple[tuple[str, Callable[[NetworkFigures], str]], ...] = (
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
    (
        "validation cross-entropy predicted",
        lambda network: f"{network.predicted_cross_entropy:.4f} +- {network.deviation:.2g}",
    ),
    (
        "validation cross-entropy in the supernet",
        lambda network: f"{network.supernet['cross_entropy']:.4f}",
    ),
    ("validation top-1 in the supernet", lambda network: f"{network.supernet['top1']:.2f}"),
    (
        "test top-1 retrained (95%)",
        lambda network: f"{network.test['top1']:.2f} ({network.test_interval})",
    ),
)


def _remarks(networks: dict[str, NetworkFigures], report: JsonObject) -> list[str]:
    network = networks["found"]
    verdict = "met" if network.normalised_ms <= network.maximum_ms else "NOT met"
    error = network.predicted_ms / network.normalised_ms - 1
    side = "above" if error > 0 else "below"
    latency = (
        f"The latency limit is {verdict}: the prediction is {abs(error):.1%} {side} the measurement"
        " at the table's clock."
    )

    taus = []
    for kind, figure in report["figures"].items():
        # A predictor that gives all networks the same score has no tau.
        if figure["kendall_tau"] is None:
            taus.append(f"{kind} undefined")
        else:
            taus.append(f"{kind} {figure['kendall_tau']:.2f} ± {figure['kendall_tau_error']:.2f}")

    predictors = f"Kendall's tau on {report['tested_on']} unseen sub-networks: {', '.join(taus)}."

    intervals = [networks[name].test["top1_interval"] for name in NETWORKS]
    # Overlapping intervals are no proof of equality, only no proof of a difference.
    if max(low for low, _ in intervals) <= min(high for _, high in intervals):
        accuracy = "The intervals of the test top-1 overlap: digits are too easy to rank the two."
    else:
        accuracy = (
            "The intervals of the test top-1 do not overlap; digits are easy, so this does not"
            " carry over to other data."
        )

    return [latency, predictors, accuracy]


def _read(path: Path) -> JsonObject:
    value: JsonObject = json.loads(path.read_text(encoding="utf-8"))
    return value
