"""The interface of runtimes that networks of images are exported to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Images = NDArray[np.float32]


@dataclass(frozen=True)
class ExportSource:
    """A network that is to be exported.

    Args:
        network: Network in evaluation mode that maps images to one tensor.
        shape: Channels, height and width of an image.
        onnx: The same network as an ONNX file of any batch size, batch normalisations folded.
        metadata: Description of the network, key -> text.
        calibration: Batches of training images, on which the ranges of integers are calibrated;
            empty for floats.
    """

    network: nn.Module
    shape: tuple[int, ...]
    onnx: Path
    metadata: Mapping[str, str]
    calibration: Sequence[Images] = ()


class Target(Protocol):
    """Writes networks as files of a runtime, and runs the files."""

    name: str
    precisions: tuple[str, ...]
    """Number formats in which files are written."""

    suffixes: tuple[str, ...]
    """Suffixes of the files, which have one stem; the first is that of the path of the export."""

    def write(self, source: ExportSource, precision: str, path: Path) -> None:
        """Write the files.

        Args:
            source: Network to write.
            precision: One of `precisions`.
            path: First of the files.

        Raises:
            UnsupportedConditions: The runtime's converter refuses the network.
        """

    def load(self, path: Path) -> FileNetwork:
        """Return the network of files that `write` has written.

        Args:
            path: First of the files.
        """


class FileNetwork(nn.Module):
    """Network that runs files of a runtime on the processor.

    Args:
        run: Maps images [b, channels, height, width] to the output [b, ...].
        batch: Batch size of the files. None: any.
    """

    def __init__(self, run: Callable[[Images], NDArray[Any]], batch: int | None = None):
        super().__init__()
        self.run = run
        self.batch = batch

    def forward(self, images: Tensor) -> Tensor:
        """Return the output [b, ...] for images [b, channels, height, width]."""
        batches = torch.split(images.detach().cpu(), self.batch or len(images))
        outputs = [self.run(batch.contiguous().numpy()) for batch in batches]
        return torch.from_numpy(np.concatenate(outputs)).to(images.device)


def write_metadata(metadata: Mapping[str, str], path: Path) -> None:
    """Write metadata as JSON, for runtimes whose own files have no place for them."""
    path.write_text(json.dumps(dict(metadata), indent=1) + "\n", encoding="utf-8")
