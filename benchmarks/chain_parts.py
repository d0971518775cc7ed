"""Compare the default predictor with and without the sums of blocks' parts, on chains.

    python benchmarks/chain_parts.py --data FOLDER --train 50,100,200 --seeds 2

FOLDER has `latency_ms.csv.gz`, the latencies of 5000 networks of FBNet on 15 devices that HELP
published (Lee et al., NeurIPS 2021, arXiv 2106.08630). Printed is Kendall's tau on 1000 other
networks, the mean over seeds: of the process without the sums, of the one that chooses by its
likelihood (the default), and of a random forest. The last rows have multiply-accumulates of
`ofa-mobilenetv3`, on which the sums say nothing new.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import predictor
import spaces
from predictor.base import Predictor
from predictor.gaussian.predictor import GaussianProcess
from predictor.metrics import kendall_tau
from spaces.space import Codes, SearchSpace

_TESTED = 1000


class WithoutParts(GaussianProcess):
    """The Gaussian process that never has the sums of parts."""

    def _prefers_parts(self, codes: Codes, values: NDArray[np.float64]) -> bool:
        return False


def latencies(folder: Path) -> tuple[SearchSpace, Codes, dict[str, NDArray[np.float64]]]:
    """Return FBNet's space, the networks that are needed, and minus their latencies by device."""
    space = spaces.get("fbnet(num_classes=100)")
    with gzip.open(folder / "latency_ms.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[: _TESTED + 300]

    candidates = [list(choice.candidates) for choice in space.choices]
    networks = [row["candidates"].split() for row in rows]
    codes = np.array(
        [
            [names.index(name) for names, name in zip(candidates, network, strict=True)]
            for network in networks
        ]
    )
    devices = [name for name in rows[0] if name != "candidates"]
    values = {name: -np.array([float(row[name]) for row in rows]) for name in devices}
    return space, space.check(codes), values


def mean_tau(
    kind: str,
    space: SearchSpace,
    codes: Codes,
    values: NDArray[np.float64],
    count: int,
    seeds: range,
) -> float:
    """Return the mean of Kendall's tau over seeds."""
    figures = []
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(codes))
        train, test = order[:count], order[count : count + _TESTED]
        model: Predictor = (
            WithoutParts(space, seed) if kind == "without" else predictor.make(kind, space, seed)
        )
        model.fit(codes[train], values[train])
        figures.append(kendall_tau(model.predict(codes[test])[0], values[test]))
    return float(np.mean(figures))


def main() -> None:
    """Fit and print a row for each device and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", default="50,100,200")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    space, codes, devices = latencies(arguments.data)
    ofa = spaces.get("ofa-mobilenetv3")
    ofa_codes = ofa.sample(np.random.default_rng(0), _TESTED + 300)
    macs = -ofa.macs(ofa_codes).astype(np.float64)
    subjects = [(name, space, codes, values) for name, values in devices.items()]
    subjects.append(("ofa-mobilenetv3, MACs", ofa, ofa_codes, macs))
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)

    for count in map(int, arguments.train.split(",")):
        rows = []
        for name, subject_space, subject_codes, values in subjects:
            row = [
                mean_tau(kind, subject_space, subject_codes, values, count, seeds)
                for kind in ("without", "gp", "forest")
            ]
            print(f"{count:5d} {name:24s}", *(f"{tau:.3f}" for tau in row), flush=True)
            rows.append(row)
        means = np.mean(rows[:-1], axis=0)
        print(f"{count:5d} {'mean over devices':24s}", *(f"{tau:.3f}" for tau in means), flush=True)


if __name__ == "__main__":
    main()
