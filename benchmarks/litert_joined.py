"""Compare LiteRT networks that are joined from blocks with those converted as a whole.

    python benchmarks/litert_joined.py --space spos --networks 3

In an environment with the extras oneshot and litert. For each random network: processor seconds of
both, the largest difference of their outputs, relative to the largest output, and the ratio of
their latencies with one thread, the median of pairs of runs. Run it on an idle machine.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch
from torch import nn

import spaces
from profiler.backends.base import Conditions
from profiler.backends.litert_chain import channels_last
from profiler.backends.litert_model import InterpreterRunner, LiteRt, converted, interpreter

PAIRS = 40


@click.command()
@click.option("--space", "name", default="spos", show_default=True, help="A space of chains.")
@click.option("--networks", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(name: str, networks: int, seed: int) -> None:
    """Compare joined networks with converted ones."""
    space = spaces.get(name)
    blocks = LiteRt(Conditions("cpu")).joined
    for codes in space.sample(np.random.default_rng(seed), networks):
        chain = space.blocks(space.architecture(codes))
        image = torch.randn(1, *chain[0].input, generator=torch.Generator().manual_seed(seed))
        network = nn.Sequential(*map(blocks.module, chain))
        joined, joining = _timed(partial(blocks.content, chain))
        whole, converting = _timed(partial(converted, network, image))

        with tempfile.TemporaryDirectory() as folder:
            first = _runner(Path(folder) / "joined.tflite", joined, channels_last(image))
            second = _runner(Path(folder) / "whole.tflite", whole, image)
            pairs = np.array([(first.whole(), second.whole()) for _ in range(PAIRS)])

        (output,) = first.outputs()
        (expected,) = second.outputs()
        difference = np.abs(output - expected).max() / np.abs(expected).max()
        click.echo(
            f"joined {joining:.1f} s, converted {converting:.1f} s;"
            f" {np.median(pairs[:, 1]):.2f} ms, joined / converted"
            f" {np.median(pairs[:, 0] / pairs[:, 1]):.3f}; outputs differ by {difference:.1e}"
        )


def _timed(make: Callable[[], bytes]) -> tuple[bytes, float]:
    """Return a content and the processor seconds that it took."""
    begin = time.process_time()
    content = make()
    return content, time.process_time() - begin


def _runner(path: Path, content: bytes, image: torch.Tensor) -> InterpreterRunner:
    path.write_bytes(content)
    return InterpreterRunner(interpreter(path, threads=1), image.numpy())


if __name__ == "__main__":
    main()
