"""Measure how well a few networks and other devices' measurements predict a device's latencies.

    python benchmarks/latency_transfer.py --data FOLDER

Three of HELP's nine devices of NAS-Bench-201 are left out at a time, all 84 choices of them, and
ten networks are measured on each; of its fifteen devices of FBNet one kind is left out, and twenty
networks are measured. The networks are those of the design, or random ones. Next to the transfer
are two ridges: one on the known devices' log latencies, which are standardised (penalty 1), and one
on the architectures of the measured networks alone, whose penalty leave-one-out residuals select.

The report has the mean and the least Spearman's rank correlation over the networks that were not
measured, and how many of them lie within one predicted deviation, which 68% of normal errors do.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import spaces
from spaces.cells.nasbench201 import EDGES
from spaces.space import Codes, SearchSpace
from tables.cost.ridge import fit_ridge
from tables.ranks import spearman
from tables.transfer import Prior
from tables.transfer.features import NetworkFeatures

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

_GPUS = ("1080ti", "2080ti", "titan_rtx", "titanx")
_CPUS = ("silver_4114", "silver_4210r", "gold_6240")
_PHONES = ("pixel2", "pixel3", "samsung_a50", "essential_ph_1")

# Networks on which deviations are compared with errors.
_CHECKED = 1000


@dataclass(frozen=True)
class Measurements:
    """Networks of a space that were measured on several devices.

    Args:
        space: Space of the networks.
        codes: Codes [networks, choices].
        devices: Names of the devices.
        latency_ms: Latencies [networks, devices].
    """

    space: SearchSpace
    codes: Codes
    devices: tuple[str, ...]
    latency_ms: Array

    def columns(self, names: Sequence[str]) -> list[int]:
        """Return the columns of devices by their names."""
        return [self.devices.index(name) for name in names]


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a compressed CSV file with a header."""
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def read_latencies(rows: Sequence[dict[str, str]], key: str) -> tuple[tuple[str, ...], Array]:
    """Return the names of the devices, and their latencies [networks, devices]."""
    devices = tuple(name for name in rows[0] if name != key)
    return devices, np.array([[float(row[name]) for name in devices] for row in rows])


def read_nasbench201(folder: Path) -> Measurements:
    """Read HELP's latencies of all cells."""
    rows = read_rows(folder / "latency_ms.csv.gz")
    cells = {row["index"]: row["arch_str"] for row in read_rows(folder / "accuracy.csv.gz")}
    space = spaces.get("nasbench201")
    architectures = []
    for row in rows:
        nodes = [re.findall(r"([a-z_0-9]+)~(\d)", node) for node in cells[row["index"]].split("+")]
        operations = {
            (int(source), target): name
            for target, pairs in enumerate(nodes, 1)
            for name, source in pairs
        }
        choices = {
            f"edge_{source}_{target}": operations[source, target] for source, target in EDGES
        }
        architectures.append(space.architecture(choices))
    return Measurements(space, space.encode(architectures), *read_latencies(rows, "index"))


def read_fbnet(folder: Path) -> Measurements:
    """Read HELP's latencies of FBNet."""
    rows = read_rows(folder / "latency_ms.csv.gz")
    space = spaces.get("fbnet(num_classes=100)")
    keys = [choice.key for choice in space.choices]
    architectures = [
        space.architecture(dict(zip(keys, row["candidates"].split(), strict=True))) for row in rows
    ]
    return Measurements(space, space.encode(architectures), *read_latencies(rows, "candidates"))


@dataclass(frozen=True)
class Scores:
    """The results on one new device by one set of measured networks.

    Args:
        transfer: Spearman's rank correlation of the transfer.
        known: That of the ridge on the known devices.
        alone: That of the ridge on the architectures.
        within_one: Fraction of networks within one predicted deviation.
    """

    transfer: float
    known: float
    alone: float
    within_one: float


def evaluate(
    measurements: Measurements,
    known: Sequence[int],
    unknown: Sequence[int],
    count: int,
    seed: int,
) -> Iterator[tuple[str, Scores]]:
    """Yield the scores of every new device, with designed and with random networks.

    Args:
        measurements: Networks and devices.
        known: Columns of the known devices.
        unknown: Columns of the new devices.
        count: Number of measured networks.
        seed: Seed of the designs and of the random networks.
    """
    codes = measurements.codes
    costs = measurements.latency_ms[:, known]
    logarithms = np.log(costs)
    standardised = (logarithms - logarithms.mean(0)) / logarithms.std(0)
    no_costs = np.empty((len(codes), 0))
    groups = NetworkFeatures(measurements.space, codes, no_costs)(codes, no_costs)
    architectures = np.concatenate(list(groups.values()), axis=1)

    prior = Prior(measurements.space, codes, costs, seed)
    random = np.random.default_rng([seed, *known]).permutation(len(codes))[:count]
    for kind, rows in (("designed", prior.design(count)), ("random", random)):
        unseen = np.setdiff1d(np.arange(len(codes)), rows)
        checked = np.random.default_rng(seed).permutation(unseen)[:_CHECKED]
        for device in unknown:
            truth = measurements.latency_ms[:, device]
            posterior = prior.fit(codes[rows], costs[rows], truth[rows])
            predicted = posterior.predict(codes[unseen], costs[unseen])
            by_known = ridge(standardised[rows], np.log(truth[rows]))
            alone = fit_ridge(architectures[rows], np.zeros(count), np.log(truth[rows]))

            errors = np.log(posterior.predict(codes[checked], costs[checked]) / truth[checked])
            deviations = posterior.deviation(codes[checked], costs[checked])
            scores = Scores(
                spearman(predicted, truth[unseen]),
                spearman(standardised[unseen] @ by_known, truth[unseen]),
                spearman(architectures[unseen] @ alone.deltas, truth[unseen], constant=0.0),
                float((np.abs(errors) < deviations).mean()),
            )
            yield kind, scores


def ridge(features: Array, values: Array, penalty: float = 1.0) -> Array:
    """Return the weights [features] of a ridge regression with an intercept."""
    centred = features - features.mean(0)
    gram = centred.T @ centred + penalty * np.eye(features.shape[1])
    weights: Array = np.linalg.solve(gram, centred.T @ (values - values.mean()))
    return weights


def settings(data: Path) -> Iterator[tuple[str, Measurements, list[int], list[int], int]]:
    """Yield the name, measurements, known and new devices, and the number of networks."""
    cells = read_nasbench201(data / "nasbench201")
    for left_out in itertools.combinations(range(len(cells.devices)), 3):
        sources = [device for device in range(len(cells.devices)) if device not in left_out]
        yield "NAS-Bench-201, three of nine left out", cells, sources, list(left_out), 10

    fbnet = read_fbnet(data / "fbnet")
    single, many = ([f"{name}_{batch}" for name in _GPUS] for batch in (1, 32))
    others = [*_CPUS, *_PHONES]
    for name, known_names, new_names in (
        ("CPUs and phones -> GPUs, batch 1", others, single),
        ("CPUs and phones -> GPUs, batch 32", others, many),
        ("phones -> GPUs", _PHONES, [*single, *many]),
        ("GPUs -> phones and CPUs", [*single, *many], others),
    ):
        yield f"FBNet, {name}", fbnet, fbnet.columns(known_names), fbnet.columns(new_names), 20


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="PATHFIT_REFERENCE_DATA",
    required=True,
    help="Folder with nasbench201/ and fbnet/, by default PATHFIT_REFERENCE_DATA's.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Of the designs and of the random networks.",
)
def main(data: Path, seed: int) -> None:
    """Transfer to every device that is left out, and print the means."""
    results: dict[tuple[str, str], list[Scores]] = {}
    for name, measurements, sources, targets, count in settings(data):
        for kind, scores in evaluate(measurements, sources, targets, count, seed):
            results.setdefault((name, f"{count} {kind}"), []).append(scores)

    table = Table("devices", "networks", "transfer (least)", "ridge", "alone", "within 1 deviation")
    for (name, networks), entries in results.items():
        transfer = np.array([scores.transfer for scores in entries])
        table.add_row(
            name,
            networks,
            f"{transfer.mean():.3f} ({transfer.min():.3f})",
            f"{np.mean([scores.known for scores in entries]):.3f}",
            f"{np.mean([scores.alone for scores in entries]):.3f}",
            f"{np.mean([scores.within_one for scores in entries]):.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
