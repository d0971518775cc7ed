"""The file of a training that is not done: safetensors with JSON metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from spaces.files import replacing

_KEY = "pathfit-training"


class TrainingState:
    """Where a training stands, in a file that is replaced as a whole.

    Args:
        path: the file; None: nothing is kept.
        digest: of data and settings; a file of others is left unread, and replaced.
    """

    def __init__(self, path: Path | None, digest: str):
        self.path, self.digest = path, digest

    def read(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Figures and tensors as they were written; None where there are none of this training."""
        from safetensors import SafetensorError, safe_open

        if self.path is None or not self.path.is_file():
            return None
        try:
            with safe_open(str(self.path), framework="pt") as file:
                found = json.loads((file.metadata() or {})[_KEY])
                if found["digest"] != self.digest:
                    return None
                return found["figures"], {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
        except (SafetensorError, KeyError, TypeError, json.JSONDecodeError, OSError):
            return None

    def write(self, figures: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Replace the file."""
        from safetensors.torch import save

        if self.path is None:
            return
        text = json.dumps({"digest": self.digest, "figures": dict(figures)})
        with replacing(self.path) as beside:
            beside.write_bytes(save(dict(tensors), metadata={_KEY: text}))
