"""Proxies by name."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable

from torch import Tensor, nn

from predictor.errors import InvalidValues
from predictor.proxies.subject import Subject
from spaces.errors import UnknownName

_FUNCTIONS = {
    "synflow": "synflow",
    "jacob_cov": "linear_regions",
    "naswot": "linear_regions",
    "snip": "gradient",
    "grad_norm": "gradient",
    "zen": "zen",
    "params": "counts",
    "macs": "counts",
}
"""Name -> the module of its function, which has the same name."""


def available() -> list[str]:
    """The names of all proxies; of each one greater values promise better accuracy."""
    return list(_FUNCTIONS)


def measure(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    names: Iterable[str] | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Proxies of one network.

    Args:
        network: untrained; it is left as it is.
        images: float tensor [b, channels, height, width], on the network's device.
        labels: int tensor [b].
        names: of the proxies; None: all.
        seed: of what a proxy draws.

    Raises:
        UnknownName: no such proxy.
        InvalidValues: one cannot be computed of this network and these images, or is no finite
            number.
    """
    functions = {name: _function(name) for name in (names if names is not None else available())}
    subject = Subject(network, images, labels, seed)
    found = {name: function(subject) for name, function in functions.items()}
    for name, value in found.items():
        if not math.isfinite(value):
            raise InvalidValues(f"{name} is {value}: the network's outputs are not finite")
    return found


def _function(name: str) -> Callable[[Subject], float]:
    if name not in _FUNCTIONS:
        raise UnknownName("proxy", name, _FUNCTIONS)
    function: Callable[[Subject], float]
    function = getattr(importlib.import_module(f"predictor.proxies.{_FUNCTIONS[name]}"), name)
    return function
