"""Digests of modules, equal for equal classes, configuration and shapes in every process."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from torch import nn

# Representations of functions hold their address, which differs between processes.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def digest(*parts: object) -> str:
    """Return eight hexadecimal digits that depend on the parts' representations."""
    return hashlib.sha256(_ADDRESS.sub("", repr(parts)).encode()).hexdigest()[:8]


def configuration(module: nn.Module) -> str:
    """Return class, plain attributes, and shapes of weights and statistics of a module's parts."""
    return "\n".join(
        f"{path}: {_describe(submodule)}" for path, submodule in module.named_modules()
    )


def _describe(module: nn.Module) -> str:
    plain = {
        name: _plain(value)
        for name, value in sorted(vars(module).items())
        if _is_plain(name, value)
    }
    shapes = [(name, [*value.shape], str(value.dtype)) for name, value in _tensors(module)]
    return _ADDRESS.sub("", f"{type(module).__name__}({module.extra_repr()}) {plain} {shapes}")


def _tensors(module: nn.Module) -> list[tuple[str, Any]]:
    return [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]


def _is_plain(name: str, value: object) -> bool:
    if name == "training" or name.startswith("_"):
        return False
    if isinstance(value, tuple | list):
        return all(_is_plain("", item) for item in value)
    return value is None or isinstance(value, int | float | str) or _is_function(value)


def _is_function(value: object) -> bool:
    return (
        isinstance(value, Callable)  # type: ignore[arg-type]
        and not isinstance(value, nn.Module)
        and hasattr(value, "__name__")
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.__name__ if _is_function(value) else value
