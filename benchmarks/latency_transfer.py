"""Measure how well ten networks and other devices' measurements predict a device's latencies.

    python benchmarks/latency_transfer.py --data FOLDER

Each of HELP's nine devices of NAS-Bench-201 is left out in turn: features, parameters and the
choice of the ten networks come from the other eight. The report has Spearman's rank correlation
over the networks that were not measured, that of a ridge on the operation counts of the same ten
networks, and the ceiling: a ridge on operations and their pairs, fitted on 4000 measurements of the
device itself.
"""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from tables.ranks import spearman
from tables.transfer import DESIGN_SIZE, Prior

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
Array = NDArray[np.float64]


def read(folder: Path) -> tuple[list[str], Array, NDArray[np.int64]]:
    """Devices, latencies in ms [networks, devices], the operations of the six edges [networks,
    6].
    """
    with gzip.open(folder / "latency_ms.csv.gz", "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    with gzip.open(folder / "accuracy.csv.gz", "rt", newline="") as file:
        cells = {row["index"]: row["arch_str"] for row in csv.DictReader(file)}
    devices = [name for name in rows[0] if name != "index"]
    edges = [
        [OPERATIONS.index(name) for name in re.findall(r"([a-z_0-9]+)~\d", cells[row["index"]])]
        for row in rows
    ]
    return (
        devices,
        np.array([[float(row[name]) for name in devices] for row in rows]),
        np.array(edges),
    )


def ridge(features: Array, values: Array, penalty: float) -> tuple[Array, float]:
    """Weights and intercept of a ridge regression."""
    centre = features.mean(0)
    mean = values.mean()
    gram = (features - centre).T @ (features - centre) + penalty * np.eye(features.shape[1])
    weights = np.linalg.solve(gram, (features - centre).T @ (values - mean))
    return weights, float(mean - centre @ weights)


def pairs(edges: NDArray[np.int64]) -> Array:
    """Operations by edge and pairs of them by pair of edges, one-hot: [networks, 30 + 15 x 25]."""
    one_hot = np.eye(len(OPERATIONS))[edges]
    both = [
        (one_hot[:, i, :, None] * one_hot[:, j, None, :]).reshape(len(edges), -1)
        for i in range(6)
        for j in range(i)
    ]
    return np.concatenate([one_hot.reshape(len(edges), -1), *both], axis=1)


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="PATHFIT_REFERENCE_DATA",
    required=True,
    help="Folder with nasbench201/, by default the one that PATHFIT_REFERENCE_DATA names.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Of the designs and of the ceiling's networks.",
)
def main(data: Path, seed: int) -> None:
    """Leave each device out in turn."""
    devices, latency, edges = read(data / "nasbench201")
    counts = np.eye(len(OPERATIONS))[edges].sum(1)
    all_pairs = pairs(edges)
    rows = Table(
        "left out",
        f"{DESIGN_SIZE} networks",
        "operation counts",
        "ceiling, 4000",
        "noise",
        "components",
    )
    correlations = []
    for device, name in enumerate(devices):
        others = np.delete(latency, device, axis=1)
        truth = latency[:, device]
        prior = Prior(others, seed)
        design = prior.design()
        unseen = np.setdiff1d(np.arange(len(truth)), design)
        transferred = prior.fit(others[design], truth[design]).predict(others[unseen])
        weights, intercept = ridge(counts[design], np.log(truth[design]), 0.1)
        by_counts = counts[unseen] @ weights + intercept
        order = np.random.default_rng(seed).permutation(len(truth))
        learned = order[:4000]
        held_out = order[4000:]
        weights, intercept = ridge(all_pairs[learned], np.log(truth[learned]), 1.0)
        scores = (
            spearman(transferred, truth[unseen]),
            spearman(by_counts, truth[unseen]),
            spearman(all_pairs[held_out] @ weights + intercept, truth[held_out]),
        )
        correlations.append(scores)
        fitted_parameters = prior.parameters
        rows.add_row(
            name,
            *(f"{score:.3f}" for score in scores),
            f"{fitted_parameters.noise:g}",
            f"{fitted_parameters.components:g}",
        )
    rows.add_section()
    rows.add_row("mean", *(f"{score:.3f}" for score in np.mean(correlations, axis=0)), "", "")
    Console().print(rows)


if __name__ == "__main__":
    main()
