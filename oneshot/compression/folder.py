"""The folder of a compression: its record and its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneshot.errors import InvalidRun
from spaces.files import read_text, replacing, write_text

if TYPE_CHECKING:
    from torch import nn


def begin_folder(folder: Path, record: dict[str, Any], resume: bool) -> None:
    """Begin the folder of a compression, or check that it is of the same one.

    Args:
        folder: Folder of the results.
        record: Everything that the results depend on.
        resume: Whether an interrupted compression is resumed.

    Raises:
        InvalidRun: The folder has another compression, or one that is not to be resumed.
    """
    path = folder / "compression.json"
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
        return
    if not resume:
        raise InvalidRun(f"{folder} has a compression already; resume it with --resume")

    recorded = json.loads(read_text(path))
    # By way of JSON, in which tuples are lists.
    current = json.loads(text)
    for name in sorted({*recorded, *current}):
        if recorded.get(name) != current.get(name):
            raise InvalidRun(
                f"{folder} has a compression with {name} {recorded.get(name)!r}, not"
                f" {current.get(name)!r}; choose another folder"
            )


def save_weights(network: nn.Module, path: Path) -> None:
    """Write the weights and buffers of a network.

    Args:
        network: The network.
        path: File of safetensors; its folder is created.
    """
    from safetensors.torch import save_file

    # Cloned: a file holds each name's tensor, also where modules share one.
    state = {
        name: tensor.detach().clone().contiguous() for name, tensor in network.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        save_file(state, temporary)


def load_weights(network: nn.Module, path: Path) -> None:
    """Read the weights and buffers of a network that `save_weights` wrote.

    Args:
        network: The network, which is changed.
        path: File of safetensors.
    """
    from safetensors.torch import load_file

    network.load_state_dict(load_file(path))
