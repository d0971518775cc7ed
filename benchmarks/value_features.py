"""Compare predictors with and without the numbers of ValueChoices as features.

    python benchmarks/value_features.py --data FOLDER [--kind gp --kind gates]

FOLDER has `latency_ms.csv.gz`, the latencies of 5000 networks of FBNet on 15 devices that HELP
published (Lee et al., NeurIPS 2021, arXiv 2106.08630). They are those of a user's model here, whose
layers read kernel, expansion and groups from ValueChoices: one choice of all three for each layer
(`tuples`), or one choice of each (`parts`). The third subject are the multiply-accumulates of
`ofa-mobilenetv3` with five resolutions.

Printed is Kendall's tau on architectures that were not trained on, as mean and deviation over
seeds, without and with the numbers, which see the same architectures.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import predictor
import spaces
from predictor.base import Predictor
from predictor.ensemble.predictor import GraphPredictor
from predictor.metrics import kendall_tau
from spaces.zoo.fbnet import CANDIDATES, SKIP

LAYERS = 22
SIZES = {**CANDIDATES, SKIP: (0, 0, 0)}
"""Name of a candidate -> (kernel, expansion, groups)."""

CHANNELS = 4
SUBJECT_SIZE = 1200
"""Number of architectures of a subject: those trained on, and the others tested."""


@dataclass(frozen=True)
class Subject:
    """Architectures of a space with a value each.

    Args:
        name: Name of the rows of the table.
        space: Space with ValueChoices.
        codes: Codes of the architectures [n, choices].
        values: Their values [n]; greater is better.
    """

    name: str
    space: spaces.SearchSpace
    codes: NDArray[np.signedinteger]
    values: NDArray[np.float64]


class TupleLayers(nn.Module):
    """Layers of which each reads (kernel, expansion, groups) from one ValueChoice."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = nn.ModuleList(
            spaces.ValueChoice(list(SIZES.values()), key=f"layer_{index}")
            for index in range(LAYERS)
        )
        self.weight = nn.Parameter(torch.randn(6 * CHANNELS, CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        for size in self.sizes:
            x = expanded(x, self.weight, size()[1])
        return x


class PartLayers(nn.Module):
    """Layers of which each reads kernel, expansion and groups from three ValueChoices."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(
            {
                f"layer_{index}_{part}": spaces.ValueChoice(values, key=f"layer_{index}_{part}")
                for index in range(LAYERS)
                for part, values in (
                    ("kernel", [0, 3, 5]),
                    ("expansion", [0, 1, 3, 6]),
                    ("groups", [0, 1, 2]),
                )
            }
        )
        self.weight = nn.Parameter(torch.randn(6 * CHANNELS, CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        for index in range(LAYERS):
            values = [self.parts[f"layer_{index}_{part}"]() for part in ("kernel", "groups")]
            x = expanded(x, self.weight, self.parts[f"layer_{index}_expansion"]()) + 0 * sum(values)
        return x


def expanded(x: Tensor, weight: Tensor, expansion: int) -> Tensor:
    """Return a residual layer whose hidden width is `expansion` times that of its input."""
    if not expansion:
        return x
    rows = weight[: expansion * CHANNELS]
    return x + nn.functional.linear(torch.relu(nn.functional.linear(x, rows)), rows.T)


def latency_subjects(folder: Path, devices: Sequence[str]) -> list[Subject]:
    """Return the user's models with the latencies of FBNet's networks."""
    with gzip.open(folder / "latency_ms.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:SUBJECT_SIZE]

    example = torch.zeros(1, CHANNELS)
    subjects = []
    for form, model in (("tuples", TupleLayers()), ("parts", PartLayers())):
        space = spaces.from_model(model, example, name=f"fbnet-{form}")
        architectures = [space.architecture(choices_of(row["candidates"], form)) for row in rows]
        codes = space.encode(architectures)
        for device in devices:
            latencies = np.array([float(row[device]) for row in rows])
            subjects.append(Subject(f"FBNet as {form}, {device}", space, codes, -latencies))
    return subjects


def choices_of(candidates: str, form: str) -> dict[str, str]:
    """Return the choices of a user's model for the names of FBNet's candidates."""
    choices = {}
    for index, name in enumerate(candidates.split()):
        sizes = SIZES[name]
        if form == "tuples":
            choices[f"layer_{index}"] = str(sizes)
        else:
            parts = zip(("kernel", "expansion", "groups"), sizes, strict=True)
            choices |= {f"layer_{index}_{part}": str(value) for part, value in parts}
    return choices


def ofa_subject() -> Subject:
    """Return random sub-networks of Once-for-All with their multiply-accumulates."""
    space = spaces.get("ofa-mobilenetv3(resolutions=(128,160,176,192,224))")
    codes = space.sample(np.random.default_rng(0), SUBJECT_SIZE)
    return Subject("ofa-mobilenetv3, MACs", space, codes, -space.macs(codes).astype(np.float64))


def make(kind: str, space: spaces.SearchSpace, seed: int, with_values: bool) -> Predictor:
    """Make an unfitted predictor with or without the numbers of values."""
    model = predictor.make(kind, space, seed)
    if with_values:
        return model
    if isinstance(model, GraphPredictor):
        return GraphPredictor(space, seed, encoder=kind, config={"values": None})
    model.with_values = False  # type: ignore[attr-defined]
    return model


def tau(subject: Subject, count: int, seed: int, model: Predictor) -> float:
    """Return Kendall's tau on the other architectures after training on `count` of them."""
    order = np.random.default_rng(seed).permutation(len(subject.codes))
    train, test = order[:count], order[count:]
    model.fit(subject.codes[train], subject.values[train])
    return float(kendall_tau(model.predict(subject.codes[test])[0], subject.values[test]))


def summary(taus: Sequence[float]) -> str:
    """Return mean and deviation over seeds."""
    return f"{np.mean(taus):.3f} ± {np.std(taus, ddof=1):.3f}"


def main() -> None:
    """Measure and print one row for each predictor, subject and number of architectures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kind", action="append")
    parser.add_argument("--device", action="append")
    parser.add_argument("--only-ofa", action="store_true")
    parser.add_argument("--train", default="25,50,100,200")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    devices = arguments.device or ["titan_rtx_32", "pixel3"]
    subjects = [ofa_subject()]
    if not arguments.only_ofa:
        subjects = latency_subjects(arguments.data, devices)
    print(
        "| predictor | subject | N | without | with | mean difference |\n|---|---|---|---|---|---|"
    )
    for kind in arguments.kind or ["gp", "forest"]:
        for subject in subjects:
            for count in map(int, arguments.train.split(",")):
                pair = [
                    [
                        tau(subject, count, seed, make(kind, subject.space, seed, with_values))
                        for seed in range(arguments.seeds)
                    ]
                    for with_values in (False, True)
                ]
                gain = np.mean(pair[1]) - np.mean(pair[0])
                cells = (kind, subject.name, count, *map(summary, pair), f"{gain:+.3f}")
                print("|", " | ".join(map(str, cells)), "|", flush=True)


if __name__ == "__main__":
    main()
