"""How fast the default predictor is fitted and scores all cells of NAS-Bench-201, and of what share
of the processor.

Run: python benchmarks/predictor_speed.py --data FOLDER [--train 781] [--kind gp]
The share is the matrix products of the prediction (covariances, mean and variance) over the time of
the whole, by the rate that torch reaches on a large product with as many threads.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

import predictor
import tables
from predictor.gaussian.predictor import GaussianProcess
from predictor.registry import DEFAULT


def product_rate(size: int = 1500, repeats: int = 5) -> float:
    """Floating-point operations a second of a product of two float32 matrices, the best of
    `repeats`.
    """
    first, second = torch.randn(size, size), torch.randn(size, size)
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        _ = first @ second
        seconds.append(time.perf_counter() - begin)
    return 2 * size**3 / min(seconds)


def products_of(model: GaussianProcess, count: int) -> float:
    """Floating-point operations of the matrix products of one prediction of `count` distinct
    architectures.
    """
    assert model.process is not None
    known, features = model.process.inputs.shape
    return 2.0 * count * known * (2 * features + known + 1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=None)
    parser.add_argument("--train", type=int, default=781)
    parser.add_argument("--kind", default=DEFAULT)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    benchmark = tables.benchmark("nasbench201", given.data)
    codes, values = benchmark.codes(), benchmark.values("cifar10_test_acc")
    rows = np.random.default_rng(0).permutation(len(codes))[: given.train]
    model = predictor.make(given.kind, benchmark.space)
    benchmark.space.graphs(codes[:2])
    begin = time.perf_counter()
    model.fit(codes[rows], values[rows])
    print(
        f"{given.kind}: {given.train} architectures fitted in {time.perf_counter() - begin:.1f} s"
    )
    seconds = []
    for _ in range(given.repeats):
        begin = time.perf_counter()
        model.predict(codes)
        seconds.append(time.perf_counter() - begin)
    best = min(seconds)
    print(
        f"{len(codes)} cells scored with mean and deviation in {best:.2f} s ({given.threads}"
        " threads)"
    )
    if isinstance(model, GaussianProcess):
        rate, work = (
            product_rate(),
            products_of(model, len(np.unique(benchmark.space.representatives(codes), axis=0))),
        )
        print(
            f"matrix products {work / 1e9:.1f} G, {100 * work / best / rate:.0f}% of"
            f" {rate / 1e9:.0f} G/s"
        )


if __name__ == "__main__":
    main()
