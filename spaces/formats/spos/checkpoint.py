"""Checkpoints of supernets of the SPOS release (megvii-model/SinglePathOneShot).

A dict with `state_dict`, its keys prefixed `module.`: `first_conv.{0,1}`,
`features.{i}.{c}.branch_main.{j}` for candidate c of layer i, `features.{i}.{c}.branch_proj.{j}`
where the stride is 2, `conv_last.{0,1}`, `classifier.0.weight`. Batch normalisation carries running
statistics only.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spaces.errors import InvalidArchitecture, InvalidFile
from spaces.files import replacing
from spaces.formats.spos.format import OPERATIONS

if TYPE_CHECKING:
    from torch import Tensor

    from spaces.modules.supernet import Supernet

# The release trains with DataParallel, which prefixes each name.
_PREFIX = "module."
_COUNTER = ".num_batches_tracked"


def load_checkpoint(path: str | Path, supernet: Supernet) -> None:
    """Load a checkpoint of the release into a supernet; on an error nothing is loaded.

    Args:
        path: Checkpoint, which is read without running code.
        supernet: Supernet of SPOS's space, such as `spaces.get("spos").supernet()`.

    Raises:
        InvalidFile: The file cannot be read, or a tensor is missing, unexpected or of the wrong
            shape; it is named.
        InvalidArchitecture: The supernet is not one of SPOS's space.
    """
    import torch

    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InvalidFile(f"cannot read {path}: {error.strerror}") from error
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        AttributeError,
    ) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidFile(
            f"{path}: not a checkpoint that torch reads with weights_only: {reason:.200}"
        ) from error

    # Some checkpoints of the release are the state itself.
    try:
        load_release_state(supernet, value["state_dict"] if _has_state(value) else value)
    except InvalidFile as error:
        raise InvalidFile(f"{path}: {error}") from error


def save_checkpoint(supernet: Supernet, path: str | Path) -> None:
    """Write a supernet of SPOS's space as a checkpoint of the release, atomically."""
    import torch

    state = {f"{_PREFIX}{name}": tensor for name, tensor in release_state(supernet).items()}
    with replacing(path) as temporary:
        torch.save({"state_dict": state}, temporary)


def release_state(supernet: Supernet) -> dict[str, Tensor]:
    """Return a supernet's weights and statistics under the release's names, without `module.`."""
    state = supernet.state_dict()
    return {name: state[key] for key, name in _names(supernet).items()}


def load_release_state(supernet: Supernet, state: Any) -> None:
    """Copy tensors of the release into a supernet; on an error none is copied.

    Args:
        supernet: Supernet of SPOS's space.
        state: Name in the release, with the prefix `module.` or without -> tensor.

    Raises:
        InvalidFile: A tensor is missing, unexpected or of the wrong shape; it is named.
    """
    tensors = _plain_names(state)
    current = supernet.state_dict()
    loaded = {}
    names = _names(supernet)
    for key, name in names.items():
        if name in tensors:
            loaded[key] = _checked(name, tensors[name], current[key])
        elif name.endswith(_COUNTER):
            # Older versions of torch did not count batches.
            loaded[key] = current[key].new_zeros(())
        else:
            raise InvalidFile(f"the tensor {name!r} is missing")

    # A superfluous tensor means another network, whose other weights may fit by chance.
    expected = set(names.values())
    for name in tensors:
        if name not in expected:
            raise InvalidFile(f"unexpected tensor {name!r}")

    supernet.load_state_dict(loaded)


def _names(supernet: Supernet) -> dict[str, str]:
    """Return name of each tensor in Pathfit -> name in the release."""
    choices = supernet.space.choices
    # The release has classifiers only.
    if not supernet.space.is_chain or any(choice.candidates != OPERATIONS for choice in choices):
        raise InvalidArchitecture(
            f"checkpoints of the SPOS release are for its space, not for {supernet.space.name}"
        )
    return {key: _release_name(key, len(choices)) for key in supernet.state_dict()}


def _release_name(key: str, depth: int) -> str:
    # In Pathfit layers.0 is the stem, layers.1 ... layers.{depth} are the choices, followed by the
    # last convolution and the classifier.
    _, index, *suffix = key.split(".")
    layer = int(index)
    if layer == 0:
        return ".".join(["first_conv", *suffix])
    if layer <= depth:
        return ".".join(["features", str(layer - 1), *suffix[1:]])
    if layer == depth + 1:
        return ".".join(["conv_last", *suffix])
    return ".".join(["classifier", "0", *suffix[1:]])


def _has_state(value: Any) -> bool:
    return isinstance(value, Mapping) and "state_dict" in value


def _plain_names(state: Any) -> dict[str, Any]:
    if (
        not isinstance(state, Mapping)
        or not state
        or not all(isinstance(name, str) for name in state)
    ):
        raise InvalidFile(
            "a checkpoint of the SPOS release is a dict of tensors, or has one under 'state_dict'"
        )

    # torch's DataParallel, under which the release trains, prefixes all names.
    prefixed = all(name.startswith(_PREFIX) for name in state)
    return {name[len(_PREFIX) :] if prefixed else name: tensor for name, tensor in state.items()}


def _checked(name: str, tensor: Any, current: Tensor) -> Tensor:
    import torch

    if not isinstance(tensor, torch.Tensor):
        raise InvalidFile(f"{name} is not a tensor but {tensor!r:.60}")
    if tensor.shape != current.shape:
        raise InvalidFile(f"{name} has the shape {list(tensor.shape)}, not {list(current.shape)}")
    if tensor.is_floating_point() != current.is_floating_point():
        raise InvalidFile(f"{name} has the type {tensor.dtype}, not {current.dtype}")
    return tensor
