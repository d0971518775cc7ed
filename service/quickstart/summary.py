"""The quickstart's last word: what was promised beside what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from service.quickstart.stages import NETWORKS, Paths


def figures(paths: Paths) -> dict[str, dict[str, Any]]:
    """For the found and the random network all that the stages told of it, by name."""
    measured = {entry["file"]: entry for entry in _read(paths.measured)["measured"]}
    found = {}
    for network in NETWORKS:
        result = _read(paths.result(network))
        test = _read(paths.retrained(network) / "test.json")
        torch, onnx = measured[str(paths.architecture(network))], measured[str(paths.onnx(network))]
        best = result["best"][0]
        found[network] = {
            "maximum_ms": result["constraints"][0]["maximum"],
            "sigma_ms": result["constraints"][0]["sigma"],
            "predicted_ms": best["costs"]["latency_ms"],
            "measured_ms": torch["latency_ms"],
            "normalised_ms": torch["normalised_ms"],
            "onnx_ms": onnx["latency_ms"],
            "macs": best["costs"]["macs"],
            "params": best["costs"]["params"],
            "predicted_cross_entropy": -best["score"],
            "deviation": best["deviation"],
            "supernet": json.loads(paths.checked(network).read_text(encoding="utf-8"))["metrics"],
            "test": test,
        }
    return found


def print_summary(paths: Paths, console: Console) -> None:
    """Print the table of both networks, what it means, and what was written where."""
    found = figures(paths)
    table = Table("", "found", "random", title="promised and measured")
    for title, text in _ROWS:
        table.add_row(title, *(text(found[network]) for network in NETWORKS))
    console.print(table)
    for line in _remarks(found, _read(paths.report)):
        console.print(line)
    written = [
        paths.table,
        paths.evaluations,
        paths.predictor,
        paths.result("found"),
        paths.retrained("found"),
    ]
    console.print(
        "written: " + ", ".join(map(str, [*written, paths.onnx("found"), paths.measured]))
    )


_ROWS: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("latency allowed", lambda of: f"{of['maximum_ms']:.4g} ms"),
    ("latency predicted", lambda of: f"{of['predicted_ms']:.4g} ms +- {of['sigma_ms']:.2g}"),
    ("latency measured (torch)", lambda of: f"{of['measured_ms']:.4g} ms"),
    ("  at the table's clock", lambda of: f"{of['normalised_ms']:.4g} ms"),
    ("latency measured (onnxruntime)", lambda of: f"{of['onnx_ms']:.4g} ms"),
    ("MACs, parameters", lambda of: f"{of['macs'] / 1e6:.3g}M, {of['params'] / 1e3:.3g}k"),
    (
        "validation cross-entropy predicted",
        lambda of: f"{of['predicted_cross_entropy']:.4f} +- {of['deviation']:.2g}",
    ),
    (
        "validation cross-entropy in the supernet",
        lambda of: f"{of['supernet']['cross_entropy']:.4f}",
    ),
    ("validation top-1 in the supernet", lambda of: f"{of['supernet']['top1']:.2f}"),
    (
        "test top-1 retrained (95%)",
        lambda of: f"{of['test']['top1']:.2f} ({_interval(of['test'])})",
    ),
)


def _interval(test: dict[str, Any]) -> str:
    low, high = test["top1_interval"]
    return f"{low:.2f} to {high:.2f}"


def _remarks(found: dict[str, dict[str, Any]], report: dict[str, Any]) -> list[str]:
    network = found["found"]
    kept = network["normalised_ms"] <= network["maximum_ms"]
    error = network["predicted_ms"] / network["normalised_ms"] - 1
    remarks = [
        (
            f"The latency limit is {'kept' if kept else 'NOT kept'}: the prediction is"
            f" {abs(error):.1%} {'above' if error > 0 else 'below'} the measurement at the table's"
            " clock."
        ),
    ]
    # A predictor that scores all alike has no tau.
    listed = ", ".join(
        (
            f"{kind} undefined"
            if figure["kendall_tau"] is None
            else f"{kind} {figure['kendall_tau']:.2f} ± {figure['kendall_tau_error']:.2f}"
        )
        for kind, figure in report["figures"].items()
    )
    remarks.append(f"Kendall's tau on {report['tested_on']} unseen sub-networks: {listed}.")
    intervals = [found[name]["test"]["top1_interval"] for name in NETWORKS]
    if max(low for low, _ in intervals) <= min(high for _, high in intervals):
        remarks.append(
            "The intervals of the test top-1 overlap: digits are too easy to tell a winner."
        )
    else:
        remarks.append(
            "The intervals of the test top-1 are apart; digits are easy, so this says little of"
            " other data."
        )
    return remarks


def _read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value
