"""One-shot algorithms by name, each with its options and its presets."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from oneshot.algorithms.preset import Preset
from oneshot.algorithms.schedules import split_schedules
from oneshot.errors import InvalidOption
from oneshot.training.recipe import MANY_IMAGES
from spaces.errors import UnknownName
from spaces.plugins import Option, Registry
from spaces.plugins.options import argument_help, check_options

if TYPE_CHECKING:
    from oneshot.algorithms.algorithm import Setting, SupernetAlgorithm


def _options_of_preset(preset: Preset, description: str = "") -> dict[str, Option]:
    """Return the options of a preset with its values as defaults."""
    options = {"preset": Option("preset", "default", description)}
    docstrings = [inspect.getdoc(kind) or "" for kind in type(preset.options).__mro__[::-1]]
    # A derived dataclass documents its own fields only.
    descriptions = {
        name: text for docstring in docstrings for name, text in argument_help(docstring).items()
    }

    for field in fields(preset.options):
        default = getattr(preset.options, field.name)
        options[field.name] = Option(field.name, default, descriptions.get(field.name, ""))
    return options


def _options_of(algorithm: type[SupernetAlgorithm]) -> dict[str, Option]:
    """Return the options of an algorithm, with the defaults of its first or default preset."""
    presets = algorithm.presets
    preset = presets.get("default", next(iter(presets.values())))
    return _options_of_preset(preset, f"Set of defaults: {', '.join(presets)}.")


FOR_PATHS = ("sampler", "bins", "cost_range", "table")
"""Options of the training command for algorithms that train on single paths alone."""

FOR_ARCHITECTURES = ("option", "target", "charge", "constraint", "with_network")
"""Options of the training command for algorithms that also train an architecture."""


ALGORITHMS = Registry["type[SupernetAlgorithm]"](
    "algorithm",
    "pathfit.algorithms",
    {
        "cars": "oneshot.algorithms.cars:Cars",
        "darts": "oneshot.algorithms.darts:Darts",
        "enas": "oneshot.algorithms.enas.algorithm:Enas",
        "fairnas": "oneshot.algorithms.fairnas:Fairnas",
        "fbnet": "oneshot.algorithms.fbnet:Fbnet",
        "gdas": "oneshot.algorithms.gdas:Gdas",
        "ofa": "oneshot.algorithms.ofa:Ofa",
        "ofa-progressive": "oneshot.algorithms.ofa_progressive:OfaProgressive",
        "pc-darts": "oneshot.algorithms.pc_darts:PcDarts",
        "proxyless": "oneshot.algorithms.proxyless.algorithm:Proxyless",
        "reptile": "oneshot.algorithms.reptile:Reptile",
        "snas": "oneshot.algorithms.snas:Snas",
        "spos": "oneshot.algorithms.spos:Spos",
    },
    options=_options_of,
    invalid=InvalidOption,
)
"""Name -> class of the algorithm."""

T = TypeVar("T", bound="type[SupernetAlgorithm]")


def register_algorithm(name: str) -> Callable[[T], T]:
    """Return a decorator that registers a SupernetAlgorithm class.

    The class has `presets`, name -> Preset (see `preset` for which one is used), and is made as
    `algorithm(setting, options)`.

    Args:
        name: Name of the algorithm; it can be taken once.
    """

    def register(cls: T) -> T:
        # First: it raises if the name is taken, before the class is changed.
        ALGORITHMS.add(name, cls)
        cls.name = name
        return cls

    return register


def available() -> list[str]:
    """Return the sorted names of all algorithms, without importing them."""
    return sorted(ALGORITHMS)


def algorithm(name: str) -> type[SupernetAlgorithm]:
    """Return the class of an algorithm; raises UnknownName."""
    return ALGORITHMS.get(name)


def preset(name: str, given: Mapping[str, Any], images: int = 0) -> Preset:
    """Return an algorithm's preset with the user's options.

    Args:
        name: Name of the algorithm.
        given: Values of options by name, or their schedules as mappings (see
            `oneshot.algorithms.schedules`); `preset` names the preset. By default it is `paper`
            from 100000 training images on, if there is one, and otherwise `default` or the first.
        images: Number of training images.

    Raises:
        UnknownName: There is no such algorithm or preset.
        InvalidOption: An option is unknown, or its value is invalid.
    """
    presets = algorithm(name).presets

    # The papers' presets are for data sets of the size of ImageNet.
    fallback = "paper" if images >= MANY_IMAGES and "paper" in presets else "default"
    preset_name = given.get("preset", fallback if fallback in presets else next(iter(presets)))
    if preset_name not in presets:
        raise UnknownName("preset", preset_name, sorted(presets))
    base = presets[preset_name]

    written = {key: value for key, value in given.items() if key != "preset"}
    values, schedules = split_schedules(base.options, written)
    accepted = _options_of_preset(base)
    check_options(name, values, accepted, InvalidOption)

    # `replace` runs the checks of the options' `__post_init__`.
    changed = {key: _as_kind(value, accepted[key].default) for key, value in values.items()}
    return replace(base, options=replace(base.options, **changed), schedules=schedules)


def _as_kind(value: Any, default: Any) -> Any:
    """Convert a value from JSON or the command line to the type of its default."""
    if isinstance(default, float):
        return float(value)
    # JSON has lists only; the dataclasses of options have tuples.
    if isinstance(default, tuple | list):
        return tuple(value)
    return value


def make(name: str, setting: Setting, options: Any) -> SupernetAlgorithm:
    """Make an algorithm by name."""
    return algorithm(name).from_setting(setting, options)
