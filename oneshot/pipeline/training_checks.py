"""Checks of the stage that trains a supernet: algorithm, options, costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from oneshot.pipeline.faults import Fault
from oneshot.pipeline.settings import StageSettings
from spaces.errors import PathfitError


def check_foreign_options(settings: StageSettings) -> Iterator[Fault]:
    """Report options that are for other algorithms than the stage's."""
    from oneshot.algorithms.registry import FOR_ARCHITECTURES, FOR_PATHS

    searches = _searches_architecture(settings)
    if searches is None:
        return

    name = settings.text("algorithm")
    kind = "train on single paths" if searches else "train an architecture"
    for parameter in FOR_PATHS if searches else FOR_ARCHITECTURES:
        setting = settings.get(parameter)
        # A value equal to the default has no effect.
        if setting is None or list(setting.texts) in (_default_texts(settings, parameter), []):
            continue
        yield setting.fault(f"is for algorithms that {kind}, not for {name}; remove the key")


def check_algorithm(settings: StageSettings) -> Iterator[Fault]:
    """Check the options of an algorithm by their names and values."""
    from oneshot.algorithms.registry import preset

    setting = settings.get("option")
    if setting is not None and _searches_architecture(settings):
        name = settings.text("algorithm")
        yield from setting.raised(check_named_options, preset, name, setting.texts)


def check_target(settings: StageSettings) -> Iterator[Fault]:
    """Check that the target is a cost which the space's networks have."""
    import tables
    from oneshot.algorithms.hardware import cost_of

    space = settings.space()
    setting = settings.get("target")
    is_pending = setting is not None and setting.is_pending
    if setting is None or is_pending or space is None or not _searches_architecture(settings):
        return

    yield from setting.raised(cost_of, setting.texts[0], space, tables.load)


def check_charge(settings: StageSettings) -> Iterator[Fault]:
    """Check the charges of a training or a search, and that the algorithm takes any."""
    from oneshot.algorithms.registry import ALGORITHMS
    from oneshot.search.charge import Charge
    from tables.devices import load_device

    setting = settings.get("charge")
    if setting is None:
        return
    name = settings.text("algorithm")
    if name is not None and name in ALGORITHMS and "power_above" not in ALGORITHMS.options(name):
        message = f"is for algorithms with a cost in their loss, not for {name}; remove the key"
        yield setting.fault(message)
        return
    space = settings.space()
    for text in setting.texts:
        faults = list(setting.raised(Charge.parse, text))
        yield from faults
        if not faults and space is not None and text not in setting.pending:
            load = partial(load_device, space=space)
            yield from setting.raised(Charge.parse(text).bind, space, load)


def check_sampler(settings: StageSettings) -> Iterator[Fault]:
    """Check the options of the sampler, and that its table has the space's blocks."""
    import tables
    from oneshot.samplers.settings import SamplerSettings

    sampler = settings.get("sampler")
    table = settings.get("table")
    setting = sampler or table
    if setting is None or _searches_architecture(settings) is not False:
        return

    limits = _numbers(settings, "cost-range")
    cost_range = (limits[0], limits[1]) if len(limits) == 2 else None
    make = partial(SamplerSettings, range=cost_range, table=settings.text("table"))
    faults = list(setting.raised(make, settings.text("sampler")))
    yield from faults

    space = settings.space()
    if faults or table is None or table.is_pending or space is None:
        return

    loading = list(table.raised(tables.load, table.texts[0]))
    yield from loading
    if not loading:
        yield from table.raised(tables.load(table.texts[0]).cost_model, space, "latency_ms")


def check_named_options(
    check: Callable[[str, dict[str, Any]], object], name: str, texts: Sequence[str]
) -> None:
    """Check options NAME=VALUE of an algorithm or a strategy.

    Args:
        check: Function of the name and the options that raises for invalid ones.
        name: Name of the algorithm or strategy.
        texts: Options as on a command line.

    Raises:
        click.BadParameter: A text has no `=`.
        PathfitError: The function refuses the options.
    """
    from oneshot.commands.options.base import name_and_value

    check(name, dict(name_and_value(text, "epochs=2") for text in texts))


def _searches_architecture(settings: StageSettings) -> bool | None:
    """Return whether the algorithm trains an architecture; None for an unknown algorithm."""
    from oneshot.algorithms.registry import algorithm

    name = settings.text("algorithm")
    try:
        return None if name is None else algorithm(name).searches_architecture
    except PathfitError:
        # The option's own type has refused the name.
        return None


def _default_texts(settings: StageSettings, key: str) -> list[str]:
    """Return the texts of an option's default."""
    option = settings.options.find(key)
    assert option is not None
    if option.is_flag:
        return ["false"]

    default = option.get_default(settings.options.context)
    return [] if default is None else [str(default)]


def _numbers(settings: StageSettings, key: str) -> list[float]:
    """Return the numbers of an option; none where a text is no number, which its type reports."""
    try:
        return [float(text) for text in settings.texts(key)]
    except ValueError:
        return []
