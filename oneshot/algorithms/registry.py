"""One-shot algorithms by name, each with its options and its presets."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from oneshot.algorithms.algorithm import Preset
from oneshot.errors import InvalidOption
from oneshot.training.recipe import MANY_IMAGES
from spaces.errors import UnknownName

if TYPE_CHECKING:
    from oneshot.algorithms.architecture import ArchitectureAlgorithm, Setting


_BUILT_IN = {
    "darts": "oneshot.algorithms.darts",
    "enas": "oneshot.algorithms.enas",
    "fairnas": "oneshot.algorithms.fairnas",
    "fbnet": "oneshot.algorithms.fbnet",
    "gdas": "oneshot.algorithms.gdas",
    "ofa": "oneshot.algorithms.ofa",
    "proxyless": "oneshot.algorithms.proxyless.algorithm",
    "snas": "oneshot.algorithms.snas",
}


_ALGORITHMS: dict[str, type[ArchitectureAlgorithm]] = {}


T = TypeVar("T", bound="type[ArchitectureAlgorithm]")


def register_algorithm(name: str) -> Callable[[T], T]:
    """Register an ArchitectureAlgorithm class. A name is taken once.

    The class has `presets`, name -> Preset (see `preset` for which one is taken), and is made as
    `algorithm(setting, options)`.
    """

    def register(cls: T) -> T:
        taken = _ALGORITHMS.get(name)
        if taken is not None and taken.__qualname__ != cls.__qualname__:
            raise ValueError(f"the algorithm {name!r} is registered already, by {taken.__module__}")
        cls.name = name
        _ALGORITHMS[name] = cls
        return cls

    return register


def available() -> list[str]:
    """The names of all algorithms; none is imported."""
    return sorted({*_BUILT_IN, *_ALGORITHMS})


def algorithm(name: str) -> type[ArchitectureAlgorithm]:
    """The class of a name; raises UnknownName."""
    if name not in _ALGORITHMS and name in _BUILT_IN:
        importlib.import_module(_BUILT_IN[name])
    if name not in _ALGORITHMS:
        raise UnknownName("algorithm", name, available())
    return _ALGORITHMS[name]


def preset(name: str, given: Mapping[str, Any], images: int = 0) -> Preset:
    """An algorithm's preset with the options that are given otherwise.

    Args:
        name: of the algorithm.
        given: option -> value; `preset` names the preset. Default: `paper` from 100000 training
            images on, where there is one; else `default`, or the first.
        images: for training.

    Raises:
        UnknownName: there is no such algorithm or preset.
        InvalidOption: an option is unknown, or its value not accepted.
    """
    presets = algorithm(name).presets
    fallback = "paper" if images >= MANY_IMAGES and "paper" in presets else "default"
    chosen = given.get("preset", fallback if fallback in presets else next(iter(presets)))
    if chosen not in presets:
        raise UnknownName("preset", chosen, sorted(presets))
    base = presets[chosen]
    defaults = {field.name: getattr(base.options, field.name) for field in fields(base.options)}
    changed: dict[str, Any] = {}
    for key, value in given.items():
        if key == "preset":
            continue
        if key not in defaults:
            raise InvalidOption(
                f"{name} has no option {key!r}; it has: {', '.join(['preset', *defaults])}"
            )
        changed[key] = _fitting(name, key, value, defaults[key])
    return Preset(replace(base.options, **changed), base.recipe)


def _fitting(name: str, key: str, value: Any, default: Any) -> Any:
    """The value as its default's kind; options whose default is None take a number, or none."""
    if isinstance(default, bool) or isinstance(value, bool):
        fits = isinstance(value, bool) and isinstance(default, bool)
    elif default is None:
        fits = value is None or isinstance(value, int | float)
    elif isinstance(default, float):
        fits = isinstance(value, int | float)
        value = float(value) if fits else value
    elif isinstance(default, tuple | list):
        fits = isinstance(value, tuple | list)
        value = tuple(value) if fits else value
    else:
        fits = isinstance(value, type(default))
    if not fits:
        raise InvalidOption(f"{name}: {key} must be like {default!r}, not {value!r}")
    return value


def make(name: str, setting: Setting, options: Any) -> ArchitectureAlgorithm:
    """Make an algorithm by name."""
    return algorithm(name)(setting, options)
