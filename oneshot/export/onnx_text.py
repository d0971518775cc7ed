"""ONNX file of a network of text as a network that can be tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spaces.errors import InvalidFile
from spaces.modules.decoder import in_pieces


class OnnxTextNetwork(nn.Module):
    """Network of text that runs an ONNX model on the processor.

    Its first output are the logits of the next tokens; others, such as the state of a recurrent
    network, are not read, because the file has no input for them.

    Args:
        path: ONNX file.
        session: The file's session of onnxruntime.

    Raises:
        InvalidFile: The model is one step of a decoder, or its input is not a batch of rows of
            tokens with a fixed length.
    """

    def __init__(self, path: str | Path, session: Any):
        super().__init__()
        entries = session.get_inputs()
        names = [entry.name for entry in entries]
        if len(entries) > 1:
            raise InvalidFile(
                f"{path}: a model of one input of tokens is needed; this one takes"
                f" {', '.join(names)}, as a file of `oneshot export --cache` does; export the"
                " network without it"
            )

        shape = list(entries[0].shape)
        if len(shape) != 2 or not isinstance(shape[1], int):
            raise InvalidFile(
                f"{path}: tokens must be [batch, length] with a fixed length, not {shape}"
            )
        self.session = session
        self.input = names[0]
        self.context = shape[1]
        self.metadata = dict(session.get_modelmeta().custom_metadata_map)

    @property
    def input_shape(self) -> Any:
        """Number of tokens of a window, (tokens,)."""
        return (self.context,)

    def forward(self, tokens: Tensor, state: None = None) -> tuple[Tensor, None]:
        """Return the logits of the next tokens [b, length, vocabulary], and no state.

        Args:
            tokens: Indices of the tokens, int64 [b, length].
            state: None: the file has no input for a state.
        """
        return in_pieces(self._run, tokens, self.context), None

    def _run(self, tokens: Tensor) -> Tensor:
        rows, length = tokens.shape
        # No token depends on later ones, so that the padding changes nothing.
        padding = tokens.new_zeros(rows, self.context - length)
        padded = torch.cat([tokens, padding], 1).contiguous().cpu().numpy()
        logits = self.session.run(None, {self.input: padded})[0]
        return torch.from_numpy(logits)[:, :length].to(tokens.device)
