"""Stages of Once-for-All's progressive shrinking, with the numbers of the release.

Cai et al., ICLR 2020 (arXiv 1908.09791), section 3.4; mit-han-lab/once-for-all, train_ofa_net.py.
"""

from __future__ import annotations

from dataclasses import dataclass

ALL = 64
"""Number of sizes that no space reaches: all of them."""

GPUS = 32
"""Processes of the release, by whose number its script multiplies the rate of one."""


@dataclass(frozen=True)
class Stage:
    """A stage of the training.

    Args:
        name: Name of the stage.
        epochs: Number of epochs in the release.
        rate: Learning rate with batches of 2048 images.
        sub_networks: Number of sub-networks of an update.
        kernels: Number of kernel sizes of each layer, the greatest ones.
        depths: Number of depths of each stage of the network, the greatest ones.
        expansions: Number of expansions of each layer, the greatest ones.
        warmup: Number of first epochs over which the rate rises.
        sorts: Whether the channels are sorted by importance before the stage.
    """

    name: str
    epochs: int
    rate: float
    sub_networks: int
    kernels: int = ALL
    depths: int = 1
    expansions: int = 1
    warmup: int = 0
    sorts: bool = False


STAGES = (
    # The release downloads the largest network; its own training is in the paper, section 4.1.
    Stage("largest", 180, 2.6, 1, kernels=1),
    Stage("kernel", 120, 0.03 * GPUS, 1, warmup=5),
    Stage("depth 1", 25, 0.0025 * GPUS, 2, depths=2),
    Stage("depth 2", 120, 0.0075 * GPUS, 2, depths=ALL, warmup=5),
    Stage("expand 1", 25, 0.0025 * GPUS, 4, depths=ALL, expansions=2, sorts=True),
    Stage("expand 2", 120, 0.0075 * GPUS, 4, depths=ALL, expansions=ALL, warmup=5, sorts=True),
)
"""The release's stages in their order, after the largest network's own training."""

EPOCHS = sum(stage.epochs for stage in STAGES)
