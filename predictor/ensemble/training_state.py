"""The file of an unfinished training: safetensors with JSON metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from spaces.files import replacing

_KEY = "pathfit-training"


class TrainingState:
    """The state of a training, in a file that is always replaced as a whole.

    Args:
        path: The file. None: no state is stored.
        digest: Digest of data and settings. The state of another training is ignored and replaced.
    """

    def __init__(self, path: Path | None, digest: str):
        self.path = path
        self.digest = digest

    def read(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Return figures and tensors as written, or None if the file has none of this training."""
        from safetensors import SafetensorError, safe_open

        if self.path is None or not self.path.is_file():
            return None

        # An unreadable state costs a repeated training, never an error.
        try:
            with safe_open(str(self.path), framework="pt") as file:
                state = json.loads((file.metadata() or {})[_KEY])
                if state["digest"] != self.digest:
                    return None
                return state["figures"], {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
        except (SafetensorError, KeyError, TypeError, json.JSONDecodeError, OSError):
            return None

    def write(self, figures: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Replace the file by a new state.

        Args:
            figures: Numbers of the state, as JSON.
            tensors: Name -> tensor.
        """
        from safetensors.torch import save

        if self.path is None:
            return

        text = json.dumps({"digest": self.digest, "figures": dict(figures)})
        with replacing(self.path) as temporary:
            temporary.write_bytes(save(dict(tensors), metadata={_KEY: text}))
