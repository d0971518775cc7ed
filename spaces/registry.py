"""Spaces by name: `get`, `available` and the decorator that registers one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from spaces.errors import InvalidParameter
from spaces.heads import registry as heads
from spaces.heads.registry import CLASSIFIER
from spaces.plugins import Registry

if TYPE_CHECKING:
    from spaces.space import SearchSpace


class SpaceFactory(Protocol):
    """Builds a space under its canonical name; the keyword defaults are the preset."""

    def __call__(self, name: str, /, **parameters: Any) -> SearchSpace: ...


SPACES = Registry[Callable[..., "SearchSpace"]](
    "space",
    "pathfit.spaces",
    {
        "binary-cells": "spaces.zoo.binary_cells:binary_cells",
        "binary-resnet": "spaces.zoo.binary_resnet:binary_resnet",
        "darts": "spaces.zoo.darts:darts",
        "darts-imagenet": "spaces.zoo.darts:darts_imagenet",
        "darts-search": "spaces.zoo.darts:darts_search",
        "darts-tiny": "spaces.zoo.darts:darts_tiny",
        "decoder": "spaces.zoo.decoder:decoder",
        "decoder-tiny": "spaces.zoo.decoder:decoder_tiny",
        "dense-cells": "spaces.zoo.dense_cells:dense_cells",
        "enas": "spaces.zoo.darts:enas",
        "ensemble": "spaces.zoo.ensemble:ensemble",
        "fbnet": "spaces.zoo.fbnet:fbnet",
        "nasbench-macro": "spaces.zoo.nasbench_macro:nasbench_macro",
        "nasbench101": "spaces.zoo.nasbench101:nasbench101",
        "nasbench1shot1": "spaces.zoo.nasbench1shot1:nasbench1shot1",
        "nasbench201": "spaces.zoo.nasbench201:nasbench201",
        "nasbench201-search": "spaces.zoo.nasbench201_search:nasbench201_search",
        "nds-resnet": "spaces.zoo.nds:nds_resnet",
        "nds-resnext": "spaces.zoo.nds:nds_resnext",
        "ofa-mobilenetv3": "spaces.zoo.ofa:ofa_mobilenetv3",
        "ofa-proxyless": "spaces.zoo.ofa:ofa_proxyless",
        "proxylessnas": "spaces.zoo.proxylessnas:proxylessnas",
        "proxylessnas-tiny": "spaces.zoo.proxylessnas:proxylessnas_tiny",
        "rnn": "spaces.zoo.rnn:rnn",
        "rnn-search": "spaces.zoo.rnn:rnn_search",
        "spos": "spaces.zoo.spos:spos",
        "spos-channels": "spaces.zoo.spos:spos_channels",
        "spos-tiny": "spaces.zoo.spos:spos_tiny",
    },
)
"""Name -> function `(canonical_name, **parameters) -> SearchSpace`."""


def register_space(name: str) -> Callable[[Callable[..., SearchSpace]], Callable[..., SearchSpace]]:
    """Return a decorator that registers a function `(canonical_name, **parameters) -> SearchSpace`.

    Args:
        name: Name of the space; it can be taken once.

    Raises:
        InvalidParameter: From the decorator, where the function cannot be called with a canonical
            name alone.
        ValueError: From the decorator, where the name is registered already.

    Example:
        >>> with SPACES.preserved():  # The space is removed after this example.
        ...     @register_space("my-spos")
        ...     def my_spos(name, /, *, input_size: int = 32):
        ...         return get("spos", input_size=input_size)
        ...     get("my-spos(input_size=64)").input_shape
        (3, 64, 64)
    """

    def register(factory: Callable[..., SearchSpace]) -> Callable[..., SearchSpace]:
        try:
            # Checked now rather than at the first use, which may be in another process.
            inspect.signature(factory).bind(name)
        except TypeError as error:
            raise InvalidParameter(
                f"the function that builds the space {name!r} must accept its canonical name alone"
                f" and have defaults for all else: def {getattr(factory, '__name__', 'build')}"
                f"(name): {error}"
            ) from error

        SPACES.add(name, factory)
        return factory

    return register


def earlier(name: str) -> str:
    """Return the present name of the space that a name denoted in files of Pathfit before 0.3.0.

    Args:
        name: Name of a space in such a file.

    Example:
        >>> earlier("spos-channels")
        "spos-channels(rounding='nearest')"
        >>> earlier("spos-tiny")
        'spos-tiny'
    """
    base, parameters = SPACES.parse(name, {})
    # Channels inside the blocks of SPOS were rounded to the nearest integer.
    if base == "spos-channels" or (base == "spos" and parameters.get("channel_scales")):
        return get(name, **{"rounding": "nearest", **parameters}).name
    return name


def available() -> list[str]:
    """Return the sorted names of all registered spaces.

    Example:
        >>> "nasbench201" in available()
        True
    """
    return sorted(SPACES)


def same_name(first: str, second: str) -> bool:
    """Return whether two names have the same parameters, in any order and spelling.

    No space is built, which may take long where its parameters are large. Parameters that equal
    the preset count nevertheless.

    Example:
        >>> same_name("spos(head=mask, input_size=64)", "spos(input_size=64, head='mask')")
        True
    """
    try:
        return SPACES.parse(first) == SPACES.parse(second)
    except InvalidParameter:
        return first == second


def get(name: str, **parameters: Any) -> SearchSpace:
    """Return the space of a name, such as `spos` or `spos(input_size=160)`.

    Args:
        name: Registered name, with parameters in parentheses or without.
        parameters: Parameters that override the preset and those in the name.

    Raises:
        UnknownName: No space has this name; the message lists those that exist.
        InvalidParameter: A parameter is unknown, or its value is of the wrong kind.

    Example:
        >>> get("spos(input_size=160)").input_shape
        (3, 160, 160)
        >>> get("spos-tiny", num_classes=7).name
        'spos-tiny(num_classes=7)'
        >>> get("ofa-mobilenetv3(input_size=320, head=ssdlite)").name
        "ofa-mobilenetv3(head='ssdlite', resolutions=(320,))"
    """
    base, merged = SPACES.parse(name, parameters)
    options = SPACES.options(base)
    _expand_input_size(base, merged, options)
    SPACES.check(base, merged)

    defaults = {key: option.default for key, option in options.items()}
    # Taken as they are by a space of a plug-in that has a `head` of its own kind.
    if "head" in merged and defaults["head"] == CLASSIFIER:
        merged["head"] = heads.canonical(merged["head"])
        if merged["head"] != CLASSIFIER and "num_classes" in defaults:
            defaults["num_classes"] = heads.make_head(merged["head"]).num_classes

    changed: dict[str, Any] = {}
    for key in sorted(merged):
        _check_positive(base, key, merged[key])
        value = _as_tuples(merged[key])
        # The canonical name leaves out parameters that equal the preset.
        if value != defaults[key]:
            changed[key] = value

    preset = {key: value for key, value in defaults.items() if value != options[key].default}
    return _build(SPACES.get(base), base, tuple(changed.items()), tuple(preset.items()))


# The factory is an argument so that a name which is registered again gets its new space.
@functools.lru_cache(maxsize=64)
def _build(
    factory: Callable[..., SearchSpace],
    base: str,
    changed: tuple[tuple[str, Any], ...],
    preset: tuple[tuple[str, Any], ...],
) -> SearchSpace:
    """Build a space.

    Args:
        factory: Function that builds it.
        base: Registered name.
        changed: Parameters of the canonical name.
        preset: Parameters that follow from those, and differ from the factory's defaults.
    """
    arguments = ", ".join(f"{key}={value!r}" for key, value in changed)
    canonical_name = f"{base}({arguments})" if changed else base
    return factory(canonical_name, **{**dict(preset), **dict(changed)})


def _expand_input_size(base: str, parameters: dict[str, Any], options: Mapping[str, Any]) -> None:
    """Replace `input_size` of a space whose input sizes are a choice by one resolution."""
    if "input_size" in options or "resolutions" not in options or "input_size" not in parameters:
        return
    if "resolutions" in parameters:
        raise InvalidParameter(f"{base}: give input_size or resolutions, not both")

    parameters["resolutions"] = (parameters.pop("input_size"),)


def _check_positive(base: str, key: str, value: Any) -> None:
    numbers = value if isinstance(value, list | tuple) else (value,)
    if any(
        isinstance(number, int | float) and not isinstance(number, bool) and number <= 0
        for number in numbers
    ):
        raise InvalidParameter(f"{base}: {key} must be positive, not {value!r}")


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value
