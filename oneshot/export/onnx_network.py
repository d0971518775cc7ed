"""ONNX file of a network of images as a network that can be tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spaces.errors import InvalidFile


def open_session(path: str | Path) -> Any:
    """Return onnxruntime's session of a file on the processor.

    Raises:
        InvalidFile: onnxruntime cannot load the file.
    """
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    # The exceptions of onnxruntime have no other common base.
    except Exception as error:
        raise InvalidFile(
            f"{path}: onnxruntime cannot load it: {str(error).splitlines()[0]}"
        ) from error


class OnnxNetwork(nn.Module):
    """Network that runs an ONNX model on the processor.

    Maps images [b, channels, height, width] to logits [b, classes], or to a dictionary of several
    outputs by their names, as of a detector.

    Args:
        path: ONNX file.
        session: Its session of onnxruntime. None: the file is loaded.

    Raises:
        InvalidFile: onnxruntime cannot load the file, or the model's input is not one batch of
            images.
    """

    def __init__(self, path: str | Path, session: Any = None):
        super().__init__()
        self.session = open_session(path) if session is None else session
        entries = self.session.get_inputs()
        shapes = [list(entry.shape) for entry in entries]
        if [entry.type for entry in entries] != ["tensor(float)"] or len(shapes[0]) != 4:
            inputs = (
                ", ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in entries)
                or "nothing"
            )
            raise InvalidFile(
                f"{path}: a model of one tensor(float) of images is needed; this one takes {inputs}"
            )

        self.input = entries[0].name
        self.outputs = [entry.name for entry in self.session.get_outputs()]
        self.shape = shapes[0]
        self.metadata = dict(self.session.get_modelmeta().custom_metadata_map)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image.

        Raises:
            InvalidFile: The model does not fix them.
        """
        channels, height, width = self.shape[1:]

        # A dynamic dimension has a name or None in place of a size.
        if not all(isinstance(size, int) for size in (channels, height, width)):
            raise InvalidFile(
                f"the size of an image must be fixed in the model, not dynamic: {self.shape}"
            )
        return int(channels), int(height), int(width)

    def forward(self, images: Tensor) -> Any:
        """Return the outputs, in batches of the model's size if that is fixed."""
        # onnxruntime has no gradients; attacks refuse a network without them.
        images = images.detach()
        size = self.shape[0] if isinstance(self.shape[0], int) else len(images)
        results: dict[str, list[Tensor]] = {name: [] for name in self.outputs}
        for batch in torch.split(images, size):
            count = len(batch)

            # A model with a fixed batch size rejects smaller batches, so pad them with zeros.
            if count < size:
                batch = torch.cat([batch, batch.new_zeros(size - count, *batch.shape[1:])])

            outputs = self.session.run(None, {self.input: batch.contiguous().cpu().numpy()})
            for parts, output in zip(results.values(), outputs, strict=True):
                parts.append(torch.from_numpy(output)[:count])

        tensors = {name: torch.cat(parts).to(images.device) for name, parts in results.items()}
        return tensors if len(tensors) > 1 else tensors[self.outputs[0]]
