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

_PREFIX = "module."
_COUNTER = ".num_batches_tracked"


def load_checkpoint(path: str | Path, supernet: Supernet) -> None:
    """Load a checkpoint of the release into our supernet of the same space; nothing is loaded on an
    error.

    Args:
        path: the file, read without running code that it holds.
        supernet: what `spaces.get("spos").supernet()` builds.

    Raises:
        InvalidFile: the file cannot be read, or a tensor is missing, unexpected or of the wrong
            shape; it is named.
        InvalidArchitecture: the supernet is not one of SPOS's space.
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
    try:
        load_release_state(supernet, value["state_dict"] if _has_state(value) else value)
    except InvalidFile as error:
        raise InvalidFile(f"{path}: {error}") from error


def save_checkpoint(supernet: Supernet, path: str | Path) -> None:
    """Write a supernet of SPOS's space as a checkpoint of the release, all or nothing."""
    import torch

    state = {f"{_PREFIX}{name}": tensor for name, tensor in release_state(supernet).items()}
    with replacing(path) as beside:
        torch.save({"state_dict": state}, beside)


def release_state(supernet: Supernet) -> dict[str, Tensor]:
    """The supernet's weights and statistics under the release's names, without the prefix
    `module.`.
    """
    own = supernet.state_dict()
    return {name: own[key] for key, name in _names(supernet).items()}


def load_release_state(supernet: Supernet, state: Any) -> None:
    """Copy tensors under the release's names (prefix `module.` or none) into `supernet`, all of
    them or none.

    Raises:
        InvalidFile: a tensor is missing, unexpected or of the wrong shape; it is named.
    """
    given = _plain_names(state)
    own, loaded = supernet.state_dict(), {}
    names = _names(supernet)
    for key, name in names.items():
        if name in given:
            loaded[key] = _checked(name, given[name], own[key])
        elif name.endswith(_COUNTER):
            loaded[key] = own[key].new_zeros(())  # older versions of torch did not count batches
        else:
            raise InvalidFile(f"the tensor {name!r} is missing")
    known = set(names.values())
    for name in given:
        if name not in known:
            raise InvalidFile(f"unexpected tensor {name!r}")
    supernet.load_state_dict(loaded)


def _names(supernet: Supernet) -> dict[str, str]:
    """Our name of each tensor -> the release's."""
    choices = supernet.space.choices
    if any(choice.candidates != OPERATIONS for choice in choices):
        raise InvalidArchitecture(
            f"checkpoints of the SPOS release are for its space, not for {supernet.space.name}"
        )
    return {key: _release_name(key, len(choices)) for key in supernet.state_dict()}


def _release_name(key: str, depth: int) -> str:
    # Ours: layers.0 is the stem, layers.1 ... layers.{depth} the choices, then the last convolution
    # and the classifier.
    _, index, *rest = key.split(".")
    layer = int(index)
    if layer == 0:
        return ".".join(["first_conv", *rest])
    if layer <= depth:
        return ".".join(["features", str(layer - 1), *rest[1:]])
    if layer == depth + 1:
        return ".".join(["conv_last", *rest])
    return ".".join(["classifier", "0", *rest[1:]])


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
    prefixed = all(name.startswith(_PREFIX) for name in state)
    return {name[len(_PREFIX) :] if prefixed else name: tensor for name, tensor in state.items()}


def _checked(name: str, given: Any, own: Tensor) -> Tensor:
    import torch

    if not isinstance(given, torch.Tensor):
        raise InvalidFile(f"{name} is not a tensor but {given!r:.60}")
    if given.shape != own.shape:
        raise InvalidFile(f"{name} has the shape {list(given.shape)}, not {list(own.shape)}")
    if given.is_floating_point() != own.is_floating_point():
        raise InvalidFile(f"{name} has the type {given.dtype}, not {own.dtype}")
    return given
