"""Processor time of a compression's search once sub-networks are scored.

    python benchmarks/compress_search.py --network resnet --scored 240

Latencies and scores follow simple laws with noise in place of measurements, which take their time
elsewhere: the predictor is fitted, and two searches run under a limit of latency, as in
`oneshot compress`.
"""

from __future__ import annotations

import time
from typing import Any

import click
import numpy as np
import torch
from compress_networks import NETWORKS
from compress_study import SIDE

from oneshot.compression.choosing import choose_network, sample_near
from oneshot.compression.costs import MeasuredDevice, NetworkTimes
from oneshot.compression.loading import register
from oneshot.compression.settings import CompressionSettings
from oneshot.search.constraint import Limit
from spaces.elastic import ElasticSpace, from_network
from spaces.elastic.sampling import sample_sizes

MEASURED = 80
LIMIT_MS = 0.6


def latencies(space: ElasticSpace, rng: np.random.Generator) -> MeasuredDevice:
    """Return measured networks whose latency is a start and a part by their products."""
    extremes = space.encode([space.original, space.smallest])
    codes = np.concatenate([extremes, sample_sizes(space, rng, MEASURED - 2)])
    values = 0.1 + 0.9 * space.macs(codes) / int(space.macs([space.original])[0])
    return MeasuredDevice(
        "cpu", [NetworkTimes(codes, values[:, None] * rng.normal(1, 0.01, (len(codes), 4)), 1.0)]
    )


class KnownScores:
    """Scores that fall with each choice, in place of losses on images.

    Args:
        space: Space of the networks.
        rng: Source of the weights of the choices.
    """

    def __init__(self, space: ElasticSpace, rng: np.random.Generator):
        self.space = space
        self.weights = np.abs(rng.standard_normal((2, len(space.choices))))

    def scores(self, codes: Any, progress: Any = None) -> list[float]:
        reduced = codes / (self.space.candidates - 1)
        losses: list[float] = (reduced @ self.weights[0] + reduced**2 @ self.weights[1]).tolist()
        return [-loss for loss in losses]


@click.command()
@click.option(
    "--network", "name", type=click.Choice(list(NETWORKS)), default="resnet", show_default=True
)
@click.option("--scored", type=click.IntRange(24), default=240, show_default=True)
def main(name: str, scored: int) -> None:
    """Print the processor time of the search."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    example = torch.zeros(1, 3, SIDE, SIDE)
    space = from_network(NETWORKS[name].build(), example, f"elastic-{name}")
    register(space)
    device = latencies(space, rng)
    limit = Limit.parse(f"latency_ms<={LIMIT_MS}@cpu")
    constraint = limit.bind(space, lambda _: device, 1.64)
    sample = sample_near(space, [constraint], rng, scored)
    settings = CompressionSettings(scored=scored)
    scorer: Any = KnownScores(space, rng)

    begin = time.process_time()
    choose_network(space, [constraint], scorer, settings, sample)
    seconds = time.process_time() - begin

    print(f"{name}: {len(space.choices)} choices, {scored} scored: {seconds:.1f} s")


if __name__ == "__main__":
    main()
