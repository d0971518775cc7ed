"""Export to ExecuTorch with XNNPACK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from oneshot.export.targets.base import ExportSource, FileNetwork, Images, write_metadata


class ExecuTorchTarget:
    """A program of ExecuTorch for one image at a time, and the metadata as JSON."""

    name = "executorch"
    precisions = ("fp32",)
    suffixes = (".pte", ".json")

    def write(self, source: ExportSource, precision: str, path: Path) -> None:
        """Write a network; see `Target.write`."""
        from profiler.backends.executorch_model import lowered

        path.write_bytes(lowered(source.network, torch.zeros(1, *source.shape)))
        write_metadata(source.metadata, path.with_suffix(".json"))

    def load(self, path: Path) -> FileNetwork:
        """Return the network of files; see `Target.load`."""
        from profiler.backends.executorch_model import LoadedNetwork

        network = LoadedNetwork(path)

        def run(images: Images) -> NDArray[Any]:
            (output,) = network.run(torch.from_numpy(images))
            result: NDArray[Any] = output.numpy().copy()
            return result

        return FileNetwork(run, batch=1)
