"""Trainings within a process group that another program has started, such as Ray Train."""

from __future__ import annotations

import os
from typing import Any

import torch
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy

from oneshot.errors import InvalidOption


class PartDone(SystemExit):
    """A process other than number 0 has finished its training; process 0 alone returns."""


class Joined(ClusterEnvironment):
    """Group of torch.distributed that this process belongs to.

    Each process is a node with one device for Lightning.
    """

    @property
    def creates_processes_externally(self) -> bool:
        """Whether the processes exist already."""
        return True

    @property
    def main_address(self) -> str:
        """Address of process 0."""
        return os.environ.get("MASTER_ADDR", "")

    @property
    def main_port(self) -> int:
        """Port of process 0."""
        return int(os.environ.get("MASTER_PORT", "0"))

    @staticmethod
    def detect() -> bool:
        """Return whether this process belongs to a group."""
        return torch.distributed.is_available() and torch.distributed.is_initialized()

    def world_size(self) -> int:
        """Return the number of processes."""
        return torch.distributed.get_world_size()

    def set_world_size(self, size: int) -> None:
        """Do nothing: the group defines it."""

    def global_rank(self) -> int:
        """Return the process's number."""
        return torch.distributed.get_rank()

    def set_global_rank(self, rank: int) -> None:
        """Do nothing: the group defines it."""

    def local_rank(self) -> int:
        """Return the process's number on its node, which has one process."""
        return 0

    def node_rank(self) -> int:
        """Return the node's number."""
        return torch.distributed.get_rank()


def joined(devices: int) -> bool:
    """Return whether this process belongs to a group that trains together.

    Args:
        devices: Number of processes of the training.

    Raises:
        InvalidOption: The group has another number of processes.
    """
    if devices == 1 or not Joined.detect():
        return False
    if (size := torch.distributed.get_world_size()) != devices:
        raise InvalidOption(
            f"devices: this process is one of {size} that train together, not of {devices}"
        )
    return True


def layout(gpu: bool) -> dict[str, Any]:
    """Return the arguments of Lightning's Fabric for the group: nodes, device and strategy.

    Args:
        gpu: Whether each process trains on its current GPU.
    """
    return {
        "num_nodes": torch.distributed.get_world_size(),
        "devices": [torch.cuda.current_device()] if gpu else 1,
        "strategy": DDPStrategy(cluster_environment=Joined()),
    }
