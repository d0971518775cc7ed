"""Proxies by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from predictor.errors import InvalidValues
from spaces.plugins import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

    from predictor.proxies.subject import Loss, Subject

PROXIES = Registry["Callable[[Subject], float]"](
    "proxy",
    "pathfit.proxies",
    {
        "synflow": "predictor.proxies.synflow:synflow",
        "jacob_cov": "predictor.proxies.linear_regions:jacob_cov",
        "naswot": "predictor.proxies.linear_regions:naswot",
        "snip": "predictor.proxies.gradient:snip",
        "grad_norm": "predictor.proxies.gradient:grad_norm",
        "plain": "predictor.proxies.gradient:plain",
        "grasp": "predictor.proxies.gradient:grasp",
        "fisher": "predictor.proxies.gradient:fisher",
        "synflow_bn": "predictor.proxies.synflow:synflow_bn",
        "relu_count": "predictor.proxies.linear_regions:relu_count",
        "zen": "predictor.proxies.zen:zen",
        "expressivity": "predictor.proxies.az_nas:expressivity",
        "progressivity": "predictor.proxies.az_nas:progressivity",
        "trainability": "predictor.proxies.az_nas:trainability",
        "swap": "predictor.proxies.activation_patterns:swap",
        "zico": "predictor.proxies.zico:zico",
        "meco": "predictor.proxies.meco:meco",
        "ntk_logdet": "predictor.proxies.ntk:ntk_logdet",
        "params": "predictor.proxies.counts:params",
        "macs": "predictor.proxies.counts:macs",
    },
)
"""Name -> function of a network with images and labels; greater is better."""

P = TypeVar("P", bound="Callable[[Subject], float]")


def register_proxy(name: str) -> Callable[[P], P]:
    """Return a decorator that registers a proxy, a function `(subject) -> float`.

    Args:
        name: Name of the proxy; it can be taken once.

    Example:
        >>> import predictor
        >>> import torch
        >>> from predictor.proxies import measure
        >>> @predictor.register_proxy("depth")
        ... def depth(subject):
        ...     return float(len(list(subject.network.children())))
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 10))
        >>> measure(network, torch.zeros(2, 3, 2, 2), torch.zeros(2).long(), ["depth"])
        {'depth': 2.0}
    """
    return PROXIES.register(name)


def available() -> list[str]:
    """Return the names of all proxies; of each one greater values promise better accuracy."""
    return PROXIES.names()


def measure(
    network: nn.Module,
    images: Tensor,
    labels: Any,
    names: Iterable[str] | None = None,
    seed: int = 0,
    loss: Loss | None = None,
) -> dict[str, float]:
    """Compute proxies of one network.

    Args:
        network: An untrained network; it is not changed.
        images: Float tensor [b, channels, height, width], on the network's device.
        labels: Targets of the loss [b], such as classes.
        names: Names of the proxies. None: all.
        seed: Seed of all randomness of the proxies.
        loss: Function (outputs, targets) -> mean loss; None: cross-entropy.

    Returns:
        Name -> value; greater values promise better accuracy.

    Raises:
        UnknownName: No proxy has one of the names.
        InvalidValues: A proxy cannot be computed of this network and these images, or is not
            finite.
    """
    from predictor.proxies.subject import Subject

    functions = {name: PROXIES.get(name) for name in (names if names is not None else available())}
    subject = Subject(network, images, labels, seed, loss)
    values = {name: function(subject) for name, function in functions.items()}
    for name, value in values.items():
        if not math.isfinite(value):
            raise InvalidValues(f"{name} is {value}: the network's outputs are not finite")
    return values
