"""Copies of modules that `copy.deepcopy` refuses."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from torch import Tensor, nn

from spaces.errors import InvalidParameter

M = TypeVar("M", bound=nn.Module)


def copy_module(module: M) -> M:
    """Return a deep copy of a module, also of one that keeps computed tensors.

    torch copies leaves of the autograd graph only. A computed tensor, such as the weight that
    `torch.nn.utils.weight_norm` sets before each forward pass or features that a model keeps of its
    last one, is copied without its graph.

    Raises:
        InvalidParameter: A part of the module cannot be copied; it is named.

    Example:
        >>> layer = nn.utils.spectral_norm(nn.Linear(2, 2))
        >>> copy_module(layer).weight_orig.equal(layer.weight_orig)
        True
    """
    # deepcopy takes an entry of its memo for a copy that was made before.
    memo: dict[int, Any] = {
        id(tensor): tensor.detach().clone()
        for submodule in module.modules()
        for tensor in _tensors(vars(submodule))
        if not tensor.is_leaf
    }
    try:
        return copy.deepcopy(module, memo)
    except (TypeError, RuntimeError, NotImplementedError, AttributeError) as error:
        raise InvalidParameter(
            f"{type(module).__name__} cannot be copied: {_obstacle(module, memo)} ({error})"
        ) from error


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in lists, tuples and mappings, but not those of submodules."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)


def _obstacle(module: nn.Module, memo: Mapping[int, Any]) -> str:
    """Name the first attribute that cannot be copied."""
    for path, submodule in module.named_modules():
        for name, value in vars(submodule).items():
            if name in ("_modules", "_parameters", "_buffers"):
                continue

            try:
                copy.deepcopy(value, dict(memo))
            except Exception:
                where = f"{path}.{name}" if path else name
                return f"its attribute {where!r} is a {type(value).__name__} that has no copies"

    return "copy.deepcopy refuses it"
