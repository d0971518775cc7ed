"""A finished ONNX file as a network that can be tested."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from spaces.errors import InvalidFile


class OnnxNetwork(nn.Module):
    """Runs an ONNX model of images [b, channels, height, width] -> logits [b, classes] on the
    processor.

    Args:
        path: the model's file.

    Raises:
        InvalidFile: onnxruntime cannot load the file, or the model takes something else than one
            batch of images.
    """

    def __init__(self, path: str | Path):
        super().__init__()
        import onnxruntime

        try:
            self.session = onnxruntime.InferenceSession(
                str(path), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions have no common base but this
            raise InvalidFile(
                f"{path}: onnxruntime cannot load it: {str(error).splitlines()[0]}"
            ) from error
        entries = self.session.get_inputs()
        shapes = [list(entry.shape) for entry in entries]
        if [entry.type for entry in entries] != ["tensor(float)"] or len(shapes[0]) != 4:
            taken = (
                ", ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in entries)
                or "nothing"
            )
            raise InvalidFile(
                f"{path}: a model of one tensor(float) of images is needed; this one takes {taken}"
            )
        self.input, self.shape = entries[0].name, shapes[0]
        self.metadata = dict(self.session.get_modelmeta().custom_metadata_map)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one image; raises InvalidFile where the model leaves it open."""
        channels, height, width = self.shape[1:]
        if not all(isinstance(size, int) for size in (channels, height, width)):
            raise InvalidFile(f"the model leaves the size of an image open: {self.shape}")
        return int(channels), int(height), int(width)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [b, classes]; a model of a fixed batch takes the images in parts of it."""
        size = self.shape[0] if isinstance(self.shape[0], int) else len(images)
        parts = []
        for part in torch.split(images, size):
            count = len(part)
            if count < size:  # filled up
                part = torch.cat([part, part.new_zeros(size - count, *part.shape[1:])])
            (found, *_) = self.session.run(None, {self.input: part.contiguous().cpu().numpy()})
            parts.append(torch.from_numpy(found)[:count])
        return torch.cat(parts).to(images.device)
