"""Heads by name, each with its options."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from spaces.plugins import Registry

if TYPE_CHECKING:
    from spaces.heads.head import Head

CLASSIFIER = "classifier"
"""Head of the published spaces, whose layers each space has its own."""

HEADS = Registry["type[Head]"](
    "head",
    "pathfit.heads",
    {
        CLASSIFIER: "spaces.heads.classifier:Classifier",
        "ssdlite": "spaces.heads.ssdlite:SSDLite",
        "fpn": "spaces.heads.fpn:FPN",
        "bifpn": "spaces.heads.bifpn:BiFPN",
        "mask": "spaces.heads.mask:Mask",
    },
)
"""Name -> class of the head."""


H = TypeVar("H", bound="type[Head]")


def register_head(name: str) -> Callable[[H], H]:
    """Return a decorator that registers a Head class, whose keyword arguments are its options.

    Args:
        name: Name that the option `head` of spaces then accepts; it can be taken once.

    Raises:
        ValueError: From the decorator, where the name is registered already.

    Example:
        >>> from spaces.heads.fpn import FPN
        >>> with HEADS.preserved():  # The head is removed after this example.
        ...     @register_head("narrow-fpn")
        ...     class NarrowFPN(FPN):
        ...         def __init__(self, *, width: int = 16):
        ...             super().__init__(width=width)
        ...     make_head("narrow-fpn").width
        16
    """
    return HEADS.register(name)


def make_head(text: str) -> Head:
    """Return the head of a name with options, such as `ssdlite(channels=(64, 32))`.

    Raises:
        UnknownName: There is no such head; the message lists those that exist.
        InvalidParameter: An option is unknown, or its value is of the wrong kind.

    Example:
        >>> make_head("ssdlite").kind
        'boxes'
    """
    head: Head = HEADS.make(text)
    return head


def canonical(text: str) -> str:
    """Return a head's name with its options in one spelling, without those that are defaults.

    Raises:
        UnknownName: There is no such head.
        InvalidParameter: An option is unknown, or its value is of the wrong kind.

    Example:
        >>> canonical("ssdlite(kernels=[3, 5, 7], channels=[64, 32])")
        'ssdlite(channels=(64, 32))'
    """
    name, options = HEADS.parse(text)
    HEADS.check(name, options)
    defaults = HEADS.options(name)
    values = {key: _as_tuples(value) for key, value in sorted(options.items())}
    changed = [
        f"{key}={value!r}" for key, value in values.items() if value != defaults[key].default
    ]
    return f"{name}({', '.join(changed)})" if changed else name


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value
