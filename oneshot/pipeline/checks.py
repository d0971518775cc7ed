"""Checks of a stage's values that take no long work: names, limits, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from oneshot.pipeline.faults import Fault
from oneshot.pipeline.pipeline import PendingLimit
from oneshot.pipeline.settings import Setting, StageSettings
from spaces.errors import PathfitError
from tables.metrics import MARGIN

if TYPE_CHECKING:
    from spaces.space import SearchSpace


def find_faults(settings: StageSettings) -> Iterator[Fault]:
    """Yield the faults of a stage's values.

    Args:
        settings: Settings of the stage, each accepted by the type of its option.
    """
    checks: list[Callable[[StageSettings], Iterator[Fault]]] = [_check_space]
    checks += _CHECKS.get(settings.kind.name, [])
    for check in checks:
        yield from check(settings)


def pending_limits(settings: StageSettings) -> Iterator[PendingLimit]:
    """Yield the limits of a stage whose table the pipeline is still to measure."""
    from oneshot.search.constraint import Limit

    space = settings.text("space")
    setting = settings.get("constraint")
    if setting is None or space is None or not setting.is_pending:
        return
    for text in setting.texts:
        # One that cannot be read has been reported.
        if "@" in text and not list(_raised(setting, Limit.parse, text)):
            yield PendingLimit(setting.key, setting.line, text, space, _margin(settings))


def _margin(settings: StageSettings) -> float:
    """Return the margin of a stage; the default where its text is no number."""
    try:
        return float(settings.text("margin") or MARGIN)
    except ValueError:
        return MARGIN


def _check_space(settings: StageSettings) -> Iterator[Fault]:
    from spaces.registry import get

    setting = settings.get("space")
    if setting is not None:
        yield from _raised(setting, get, setting.texts[0])


def _space_of(settings: StageSettings) -> SearchSpace | None:
    """Return the stage's space; None where it has none or an invalid one."""
    from spaces.registry import get

    name = settings.text("space")
    try:
        return None if name is None else get(name)
    except PathfitError:
        return None


def _check_budget(settings: StageSettings) -> Iterator[Fault]:
    from profiler.commands.parameters import seconds

    setting = settings.get("budget")
    if setting is not None:
        yield from _raised(setting, seconds, setting.texts[0])


def _check_conditions(settings: StageSettings) -> Iterator[Fault]:
    """Refuse several tables: later stages read one."""
    for key in ("batch", "precision", "resolution"):
        setting = settings.get(key)
        if setting is not None and "," in setting.texts[0]:
            yield setting.fault(
                f"{setting.texts[0]!r} are several tables; a pipeline builds one, so give one value"
            )


def _check_data(settings: StageSettings) -> Iterator[Fault]:
    from oneshot.data.registry import check_name

    setting = settings.get("data")
    if setting is not None:
        yield from _raised(setting, check_name, setting.texts[0])


def _check_task(settings: StageSettings) -> Iterator[Fault]:
    """Check the task, and that the space's networks have the head that it needs."""
    from oneshot.tasks.registry import DEFAULT, make_task
    from spaces.space import SearchSpace

    space = _space_of(settings)
    setting = settings.get("task")
    if setting is not None:
        yield from _raised(setting, make_task, setting.texts[0], space)
        return
    # Without a task the commands take the default one.
    setting = settings.get("space")
    if setting is not None and space is not None and space.head != SearchSpace.head:
        yield from _raised(setting, make_task, DEFAULT, space)


def _check_algorithm(settings: StageSettings) -> Iterator[Fault]:
    from oneshot.algorithms.registry import algorithm, preset

    name = settings.text("algorithm")
    setting = settings.get("option")
    if name is None or setting is None:
        return
    try:
        searches = algorithm(name).searches_architecture
    except PathfitError:
        # The option's own type has refused the name.
        return
    if searches:
        yield from _raised(setting, _check_options, preset, name, setting.texts)


def _check_strategy(settings: StageSettings) -> Iterator[Fault]:
    from oneshot.strategies.registry import STRATEGIES, check_options

    strategy = settings.text("strategy")
    setting = settings.get("strategy")
    if setting is not None:
        faults = list(_raised(setting, STRATEGIES.get, setting.texts[0]))
        yield from faults
        if faults:
            return
    options = settings.get("option")
    if options is not None and strategy is not None:
        yield from _raised(options, _check_options, check_options, strategy, options.texts)


def _check_guide(settings: StageSettings) -> Iterator[Fault]:
    from oneshot.search.guide_registry import GUIDES
    from tables.benchmarks.registry import benchmark

    setting = settings.get("guide")
    if setting is None or setting.is_pending:
        return
    kind, _, location = setting.texts[0].partition(":")
    faults = list(_raised(setting, GUIDES.get, kind))
    yield from faults
    if not faults and not location:
        yield setting.fault(f"write {kind}:LOCATION, or supernet or predictor for that stage's")
    if kind == "benchmark" and location:
        yield from _raised(setting, benchmark, location.partition(":")[0])


def _check_architecture(settings: StageSettings) -> Iterator[Fault]:
    from oneshot.retraining.source import read_source

    setting = settings.get("arch")
    if setting is None or setting.is_pending:
        return
    try:
        index = int(settings.text("index") or 0)
    except ValueError:
        # The option's own type has refused the text.
        return
    read = partial(
        read_source, space=settings.text("space"), format=settings.text("format"), index=index
    )
    yield from _raised(setting, read, setting.texts[0])


def _check_limits(settings: StageSettings) -> Iterator[Fault]:
    """Check limits on costs: their form, and whether a network of the space meets them."""
    from oneshot.search.constraint import Limit
    from tables.devices import load_device

    space = _space_of(settings)
    setting = settings.get("constraint")
    if setting is None:
        return
    margin = _margin(settings)
    for text in setting.texts:
        faults = list(_raised(setting, Limit.parse, text))
        yield from faults
        # The table of a stage that is still to run has no costs yet.
        if faults or space is None or (setting.is_pending and "@" in text):
            continue
        limit = Limit.parse(text)
        load = partial(load_device, space=space)
        yield from _raised(setting, limit.bind, space, load, margin)


def _check_objectives(settings: StageSettings) -> Iterator[Fault]:
    from oneshot.search.objective import Objective
    from tables.devices import load_device

    space = _space_of(settings)
    setting = settings.get("objective")
    if setting is None or space is None:
        return
    for text in setting.texts:
        if not (setting.is_pending and "@" in text):
            load = partial(load_device, space=space)
            yield from _raised(setting, Objective.parse, text, space, load)


def _check_options(
    check: Callable[[str, dict[str, Any]], object], name: str, texts: Sequence[str]
) -> None:
    """Check options NAME=VALUE of an algorithm or a strategy."""
    from oneshot.commands.options import name_and_value

    check(name, dict(name_and_value(text, "epochs=2") for text in texts))


def _raised(
    setting: Setting, function: Callable[..., object], *arguments: object
) -> Iterator[Fault]:
    """Yield the error that a function raises as a fault of a setting."""
    try:
        function(*arguments)
    except click.BadParameter as error:
        yield setting.fault(error.message)
    except PathfitError as error:
        yield setting.fault(str(error))


_CHECKS: dict[str, list[Callable[[StageSettings], Iterator[Fault]]]] = {
    "profile": [_check_budget, _check_conditions],
    "train": [_check_data, _check_task, _check_algorithm, _check_limits],
    "evaluate": [_check_task],
    "search": [_check_task, _check_strategy, _check_guide, _check_limits, _check_objectives],
    "retrain": [_check_data, _check_task, _check_architecture],
}
