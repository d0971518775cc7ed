"""Compare the network that a pipeline found with random ones under the same limit.

    pathfit run examples/pipelines/detection.yaml -o runs/detection
    python benchmarks/found_detector.py runs/detection -o runs/found-detector

The folder is that of a pipeline with the stages `search`, with a limit on the latency, and
`retrain`; of several, such as of other seeds, the mean difference is reported too. Random networks
whose predicted latency is 95 to 100% of the limit are trained as the found one was, each with a
seed of its own, and all are tested: their metric with its interval over images, the difference of
the found one from the mean of the random ones with its interval over the same samples of images,
and predicted next to measured latencies under torch and onnxruntime. In the runtime of the table,
latencies are also normalised: as they would have been in the state that the machine had at the
table's build, since a machine that others use too may be several times slower now. It works for
segmentation likewise. The same command resumes after an interruption.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from oneshot.evaluation.tallies import tally_of
from oneshot.export.onnx import export
from oneshot.retraining.network_training import device_of, train_network
from oneshot.run import Run, begin, read_run
from oneshot.search.constraint import Constraint, Limit
from oneshot.search.result import SearchResult, read_result
from oneshot.tasks.resampling import percentile_interval, resampled
from oneshot.tasks.tally import Tally
from oneshot.training.execution import Execution
from profiler.backends.base import Conditions
from profiler.backends.registry import make_backend
from profiler.measurement import measure_files
from spaces.architecture import Architecture
from spaces.codes import distinct
from spaces.console.progress import Bar
from spaces.files import write_text
from tables.lookup_table import LookupTable
from tables.store import load as load_table

LEAST = 0.95
"""Fraction of the limit that the predicted latency of random networks has at least."""

BATCH = 50


@click.command()
@click.argument(
    "pipelines",
    metavar="PIPELINE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option(
    "--random",
    "num_random",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Number of random networks for each found one.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random networks.")
@click.option(
    "--table",
    "table_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="Table of the limits.  [default: profile.json of each pipeline]",
)
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(
    pipelines: tuple[Path, ...],
    num_random: int,
    seed: int,
    table_path: Path | None,
    output: Path,
) -> None:
    """Train random networks like the found one of each PIPELINE, and compare them."""
    groups = []
    for number, pipeline in enumerate(pipelines):
        folder = output if len(pipelines) == 1 else output / pipeline.name
        table = table_path or pipeline / "profile.json"
        groups.append(compare(pipeline, table, num_random, seed + number, folder))
    if len(groups) == 1:
        return

    # All have the same test images, so that their samples are joint ones.
    report = compared(*groups)
    write_text(output / "comparison.json", json.dumps(report, indent=1) + "\n")
    click.echo(f"{len(groups)} searches: {in_words(report)}")


def compare(
    pipeline: Path, table: Path, num_random: int, seed: int, output: Path
) -> Sequence[Tally]:
    """Compare the found network of a pipeline with random ones, and return their results.

    Args:
        pipeline: Folder of the pipeline.
        table: File of the table that its limit is of.
        num_random: Number of random networks.
        seed: Seed of the random networks.
        output: Folder for the random networks and the report.
    """
    found = read_run(pipeline / "retrain", "network")
    constraint = latency_constraint(read_result(pipeline / "search.json"), found, table)

    runs = {"found": found}
    for number, architecture in enumerate(random_within(constraint, num_random, seed)):
        settings = replace(
            found.settings, architecture=architecture, seed=found.settings.seed + 1 + number
        )
        runs[f"random {number}"] = begin(output / f"random-{number}", settings, resume=True)
    tallies = {name: tested(name, run) for name, run in runs.items()}
    measured = latencies(runs, output, load_table(table))

    codes = found.space.encode([run.architecture for run in runs.values()])
    report = {
        "limit_ms": constraint.maximum,
        "networks": [
            {
                "name": name,
                "architecture": run.architecture.to_dict(),
                "predicted_ms": float(predicted),
                "measured_ms": measured[name],
                **tallies[name].metrics(),
                "interval": tallies[name].intervals()[run.task.score],
            }
            for (name, run), predicted in zip(
                runs.items(), constraint.model.estimate(codes), strict=True
            )
        ],
        **compared(list(tallies.values())),
    }
    write_text(output / "comparison.json", json.dumps(report, indent=1) + "\n")
    show(report, found)

    return list(tallies.values())


def latency_constraint(result: SearchResult, run: Run, table: Path) -> Constraint:
    """Return the limit on the latency that a search had, bound to its table again."""
    for entry in result.constraints:
        if entry["metric"] == "latency_ms":
            limit = Limit("latency_ms", entry["maximum"], str(table))
            return limit.bind(run.space, load_table, entry["margin"])
    raise click.UsageError("the search had no limit on latency_ms")


def random_within(constraint: Constraint, count: int, seed: int) -> list[Architecture]:
    """Return random networks that meet a limit, margin included, and use `LEAST` of it."""
    space = constraint.model.space
    codes = distinct(space.sample(np.random.default_rng([seed, 7]), 2000 * count))
    close = constraint.upper(codes) >= LEAST * constraint.maximum
    selected = codes[constraint.met(codes) & close][:count]
    if len(selected) < count:
        raise click.UsageError(
            f"{len(selected)} of {len(codes)} random networks use {LEAST:.0%} to 100% of the limit"
            f" of {constraint.maximum} ms; choose a limit that more networks are close to"
        )
    return space.decode(selected)


def tested(name: str, run: Run) -> Tally:
    """Train a run's network unless it is trained, and return its results on test images."""
    execution = Execution()
    with Bar(name) as bar:
        network = train_network(run, bar.update, execution)
    device = device_of(execution)
    return tally_of(network.to(device).eval(), run.data().test.batches(BATCH), device, run.task)


def latencies(
    runs: Mapping[str, Run], output: Path, table: LookupTable
) -> dict[str, dict[str, float]]:
    """Return the measured milliseconds of each network under torch and onnxruntime.

    All are timed in interleaved rounds, detectors without decoding and suppression, which no table
    predicts. `normalised` is the latency in the table's runtime and the machine's state at its
    build, by the reference networks of the table that run in every round.
    """
    output.mkdir(parents=True, exist_ok=True)
    files: dict[str, tuple[Path, Path]] = {}
    for name, run in runs.items():
        stem = output / name.replace(" ", "-")
        files[name] = (stem.with_suffix(".json"), stem.with_suffix(".onnx"))
        write_text(files[name][0], run.architecture.to_json() + "\n")
        export(run, files[name][1], raw=run.task.exported(run.build()) is not None)

    conditions = Conditions("cpu", 1, "fp32", int(table.conditions["threads"]), 0)
    measured = measure_files(
        [file for pair in files.values() for file in pair],
        make_backend("torch", conditions),
        conditions,
    )
    in_state = measure_files(
        [architecture for architecture, _ in files.values()],
        make_backend(str(table.conditions["backend"]), conditions),
        conditions,
        table=table,
    )
    by_file = {entry["file"]: entry["latency_ms"] for entry in measured.entries}
    normalised = {entry["file"]: entry["normalised_ms"] for entry in in_state.entries}
    return {
        name: {
            "torch": by_file[str(architecture)],
            "onnxruntime": by_file[str(model)],
            "normalised": normalised[str(architecture)],
        }
        for name, (architecture, model) in files.items()
    }


def compared(*groups: Sequence[Any]) -> dict[str, Any]:
    """Return the difference of found networks from the mean of random ones, with its interval.

    Args:
        groups: Results of a found network and of its random ones, all on the same images; of
            several groups the differences are averaged.
    """
    num_images = groups[0][0].num_images
    lead, resampled_leads = (
        np.mean([_lead(tallies, samples) for tallies in groups], axis=0)
        for samples in (np.ones((1, num_images)), resampled(num_images))
    )
    return {
        "difference": float(lead[0]),
        "difference_interval": percentile_interval(resampled_leads),
    }


def _lead(tallies: Sequence[Any], samples: np.ndarray) -> np.ndarray:
    """Return how far the first result is ahead of the mean of the others in samples of images."""
    others = [tally.score_samples(samples) for tally in tallies[1:]]
    lead: np.ndarray = tallies[0].score_samples(samples) - np.mean(others, axis=0)
    return lead


def show(report: dict[str, Any], found: Run) -> None:
    """Print every network, and the comparison."""
    task = found.task
    title = task.title(task.score)
    table = Table("network", title, "95%", "predicted ms", "normalised", "torch", "onnxruntime")
    for entry in report["networks"]:
        low, high = entry["interval"]
        measured = entry["measured_ms"]
        table.add_row(
            entry["name"],
            f"{entry[task.score]:.2f}",
            f"{low:.2f} to {high:.2f}",
            f"{entry['predicted_ms']:.3f}",
            f"{measured['normalised']:.3f}",
            f"{measured['torch']:.3f}",
            f"{measured['onnxruntime']:.3f}",
        )
    Console().print(table)
    click.echo(f"limit {report['limit_ms']} ms; {in_words(report)}")


def in_words(report: dict[str, Any]) -> str:
    """Describe a difference with its interval."""
    low, high = report["difference_interval"]
    return (
        f"found ahead of the mean of random ones by {report['difference']:.2f} points"
        f" (95%: {low:.2f} to {high:.2f})"
    )


if __name__ == "__main__":
    main()
