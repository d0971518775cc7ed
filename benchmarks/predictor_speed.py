"""Measure how fast the default predictor is fitted and scores all cells of NAS-Bench-201.

    python benchmarks/predictor_speed.py --data FOLDER [--train 781] [--kind gp]

The fraction of the processor is the time of the prediction's matrix products (covariances, mean and
variance) at the rate that torch reaches on a large product with as many threads, over the whole
time.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

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
    first = torch.randn(size, size)
    second = torch.randn(size, size)
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
    assert model.processes is not None
    shapes = [process.inputs.shape for process in model.processes.processes]
    return sum(
        2.0 * count * num_inputs * (2 * features + num_inputs + 1)
        for num_inputs, features in shapes
    )


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds by the clock and those of the processor that a call takes."""
    begin, processor_begin = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - processor_begin


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=None)
    parser.add_argument("--train", type=int, default=781)
    parser.add_argument("--kind", default=DEFAULT)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    benchmark = tables.benchmark("nasbench201", arguments.data)
    codes = benchmark.codes()
    values = benchmark.values("cifar10_test_acc")
    rows = np.random.default_rng(0).permutation(len(codes))[: arguments.train]
    model = predictor.make(arguments.kind, benchmark.space)
    benchmark.space.graphs(codes[:2])
    fit_s, fit_processor_s = timed(lambda: model.fit(codes[rows], values[rows]))
    print(
        f"{arguments.kind}: {arguments.train} architectures fitted in {fit_s:.1f} s,"
        f" {fit_processor_s:.1f} s of the processor ({arguments.threads} threads)"
    )

    times = [timed(lambda: model.predict(codes)) for _ in range(arguments.repeats)]
    best, best_processor = map(min, zip(*times, strict=True))
    print(
        f"{len(codes)} cells scored with mean and deviation in {best:.2f} s,"
        f" {best_processor:.2f} s of the processor; the best of {arguments.repeats}"
    )
    # In KiB on Linux.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"at most {peak / 1024:.0f} MiB of memory")
    if isinstance(model, GaussianProcess):
        rate = product_rate()
        work = products_of(model, len(np.unique(benchmark.space.representatives(codes), axis=0)))
        print(
            f"matrix products {work / 1e9:.1f} G, {100 * work / best / rate:.0f}% of"
            f" {rate / 1e9:.0f} G/s"
        )


if __name__ == "__main__":
    main()
