"""Trainings whose processes another program started and joined, on one machine or several, as Ray
Train does.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy

from oneshot.errors import InvalidOption


class PartDone(SystemExit):
    """A process of a group has done its part of a training: process 0 alone goes on with what was
    trained.
    """


class Joined(ClusterEnvironment):
    """The group that torch.distributed is in already, each process told to Lightning as a node with
    one device.
    """

    @property
    def creates_processes_externally(self) -> bool:
        """Whether Lightning need not start any."""
        return True

    @property
    def main_address(self) -> str:
        """Of process 0."""
        return os.environ.get("MASTER_ADDR", "")

    @property
    def main_port(self) -> int:
        """Of process 0."""
        return int(os.environ.get("MASTER_PORT", "0"))

    @staticmethod
    def detect() -> bool:
        """Whether there is a group."""
        return torch.distributed.is_available() and torch.distributed.is_initialized()

    def world_size(self) -> int:
        """How many processes."""
        return torch.distributed.get_world_size()

    def set_world_size(self, size: int) -> None:
        """Nothing: the group is as it is."""

    def global_rank(self) -> int:
        """The process's number."""
        return torch.distributed.get_rank()

    def set_global_rank(self, rank: int) -> None:
        """Nothing: the group is as it is."""

    def local_rank(self) -> int:
        """The process's number on its node, which has no other one."""
        return 0

    def node_rank(self) -> int:
        """The node's number."""
        return torch.distributed.get_rank()


def joined(devices: int) -> bool:
    """Whether this process is one of a group that is to train together.

    Args:
        devices: processes of the training.

    Raises:
        InvalidOption: the group has another number of processes.
    """
    if devices == 1 or not Joined.detect():
        return False
    if (size := torch.distributed.get_world_size()) != devices:
        raise InvalidOption(
            f"devices: this process is one of {size} that train together, not of {devices}"
        )
    return True


def layout(gpu: bool) -> dict[str, Any]:
    """What Lightning's Fabric is told of the group: its nodes, this one's device, and the strategy.

    Args:
        gpu: whether each process trains on its current GPU.
    """
    return {
        "num_nodes": torch.distributed.get_world_size(),
        "devices": [torch.cuda.current_device()] if gpu else 1,
        "strategy": DDPStrategy(cluster_environment=Joined()),
    }
