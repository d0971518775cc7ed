"""Measure how many true values are within one and two predicted deviations.

    python benchmarks/calibration.py --benchmark nasbench201 --metric cifar10_valid_acc \
        --train 78,390 --first-seed 100 --seeds 5

For each size the fractions over all architectures that were not trained on, over the 5% with the
best predictions (what a search looks at) and over the truly best 5% (which are in part there by
luck, so that no honest prediction can hold 68% of them), and the median error of both groups.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from numpy.typing import NDArray

import predictor
import tables
from predictor.registry import DEFAULT

_TOP = 0.95


def coverage(
    errors: NDArray[np.float64], deviation: NDArray[np.float64], rows: NDArray[np.bool_]
) -> list[float]:
    """Return the fractions of rows within one and two deviations, and their median error."""
    ratio = np.abs(errors[rows]) / deviation[rows]
    return [
        float((ratio <= 1).mean()),
        float((ratio <= 2).mean()),
        float(np.median(errors[rows])),
    ]


def main() -> None:
    """Fit, measure and print the mean and the least fraction over seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", default="nasbench201")
    parser.add_argument("--data", default=None)
    parser.add_argument("--metric", default=None)
    parser.add_argument("--train", default="78,390")
    parser.add_argument("--kind", default=DEFAULT)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    benchmark = tables.benchmark(arguments.benchmark, arguments.data)
    metric = arguments.metric or benchmark.default_metric
    values = benchmark.values(metric)
    codes = benchmark.codes()
    print(
        f"{arguments.benchmark} {metric}: within 1, within 2, median error (mean; least of seeds)"
    )

    for count in map(int, arguments.train.split(",")):
        figures = []
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            order = np.random.default_rng(seed).permutation(len(codes))
            train, test = order[:count], order[count:]
            model = predictor.make(arguments.kind, benchmark.space, seed)
            model.fit(codes[train], values[train])

            mean, deviation = model.predict(codes[test])
            errors = values[test] - mean
            groups = {
                "all": np.ones(len(test), dtype=bool),
                "best predicted 5%": mean >= np.quantile(mean, _TOP),
                "truly best 5%": values[test] >= np.quantile(values[test], _TOP),
            }
            figures.append([coverage(errors, deviation, rows) for rows in groups.values()])

        means = np.mean(figures, axis=0)
        least = np.min(figures, axis=0)
        for name, mean_row, least_row in zip(groups, means, least, strict=True):
            one, two, error = mean_row
            print(
                f"{count:6d} {name:18s} {one:.2f} {two:.2f} {error:+.2f}"
                f"   ({least_row[0]:.2f} {least_row[1]:.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
