"""The result of each stage in one line, read from the files that it wrote."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from oneshot.pipeline.pipeline import Stage
from spaces.errors import PathfitError
from tables import evaluation
from tables.conditions import LENGTHS


def result_line(stage: Stage) -> str:
    """Return the result of a stage that is done; its file's path where it cannot be read."""
    try:
        return _RESULTS[stage.name](stage)
    except (OSError, ValueError, LookupError, TypeError, PathfitError):
        # A summary must not fail the run: plug-ins may write files of other content.
        return str(stage.output)


def _profile(stage: Stage) -> str:
    from spaces.registry import get
    from tables.lookup_table import LookupTable

    table = LookupTable.read(stage.output)
    texts = [f"{len(table.blocks)} blocks"]
    for metric in table.latency_metrics:
        model = table.cost_model(get(table.space), metric)
        least, greatest = model.bounds()
        title = "networks take" if metric == "latency_ms" else metric
        text = f"{title} {least.value:.3g} to {greatest.value:.3g} ms"
        if model.sigma is not None and table.networks:
            # Each sample of networks of text is of one phase.
            medians = [
                np.median(sample.latency_ms)
                for sample in table.networks
                if sample.phase is None or f"{sample.phase}_ms" == metric
            ]
            text += f", sigma {model.sigma / float(np.median(medians)):.1%} of the median"
        texts.append(text)

    return "; ".join(texts)


def _train(stage: Stage) -> str:
    path = stage.output
    report_path = path / "architecture-report.json"
    if report_path.is_file():
        report = _read(report_path)
        cost = report.get("predicted_cost")
        if cost is None:
            return f"architecture {path / 'architecture.json'}"
        return f"architecture of {cost:.4g} {report['unit']} {report['metric']}"

    settings = _read(path / "run.json")

    return f"supernet of {settings['space'].partition('(')[0]} by {settings['algorithm']}"


def _evaluate(stage: Stage) -> str:
    metrics = [item.metrics for item in evaluation.read(stage.output)]
    # The first metric is that of the data's task, such as top1.
    name = "top1" if "top1" in metrics[0] else next(iter(metrics[0]))
    values = [metric[name] for metric in metrics]
    return f"{len(values)} sub-networks, {name} {min(values):.4g} to {max(values):.4g}"


def _predict(stage: Stage) -> str:
    report = _read(next(path for path in stage.outputs if path.suffix == ".json"))
    figures = report["figures"][report["encoder"]]
    tau = figures["kendall_tau"]
    # A predictor that gives all networks the same score has no tau.
    quality = "undefined" if tau is None else f"{tau:.2f} +- {figures['kendall_tau_error']:.2f}"
    return f"Kendall's tau {quality} on {report['tested_on']} unseen networks"


def _search(stage: Stage) -> str:
    result = _read(stage.output)
    best = result["best"][0]
    costs = ", ".join(f"{metric} {value:.4g}" for metric, value in best["costs"].items())
    line = f"best score {best['score']:.4g}, {costs}"
    verification = result.get("verification")
    if verification is None:
        return line

    measured = [network["measured_ms"] for network in verification["networks"]]
    if not measured:
        return f"{line}; {verification['note']}"
    return (
        f"{line}; {len(measured)} of {verification['requested']} verified networks measured"
        f" {min(measured):.4g} to {max(measured):.4g} ms"
    )


def _retrain(stage: Stage) -> str:
    report = _read(stage.output / "test.json")
    # Each task has an interval for its main metric, such as top1.
    key = next(key for key in report if key.endswith("_interval"))
    name = key.removesuffix("_interval")
    low, high = report[key]
    return f"test {name} {report[name]:.4g} (95%: {low:.4g} to {high:.4g})"


def _export(stage: Stage) -> str:
    return f"{stage.output.stat().st_size / 1e6:.2f} MB"


def _measure(stage: Stage) -> str:
    texts = []
    for entry in _read(stage.output)["measured"]:
        # Networks of text have a latency in each phase.
        phases = [phase for phase in LENGTHS if phase in entry]
        for phase in phases or [""]:
            title = f"{entry['runtime']} {phase}".rstrip()
            texts.append(f"{title} {_latency(entry[phase] if phase else entry)}")

    return "; ".join(texts)


def _latency(entry: Mapping[str, Any]) -> str:
    text = f"{entry['latency_ms']:.4g} ms"
    estimate = entry.get("estimate_ms")
    if estimate is not None:
        # At the clock rate of the table, which the estimate is for, where that is known.
        measured = entry.get("normalised_ms", entry["latency_ms"])
        text += f" (promised {estimate:.4g}, at the table's clock {measured:.4g})"
    return text


_RESULTS: Mapping[str, Callable[[Stage], str]] = {
    "profile": _profile,
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "search": _search,
    "retrain": _retrain,
    "export": _export,
    "measure": _measure,
}


def _read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value
