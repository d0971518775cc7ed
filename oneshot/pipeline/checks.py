"""Quick checks of a stage's values: names, limits, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from oneshot.pipeline.faults import Fault
from oneshot.pipeline.joining import GUIDE_KEYS
from oneshot.pipeline.pipeline import PendingLimit
from oneshot.pipeline.settings import Setting, StageSettings
from oneshot.pipeline.training_checks import (
    check_algorithm,
    check_charge,
    check_foreign_options,
    check_named_options,
    check_sampler,
    check_target,
)


def find_faults(settings: StageSettings) -> Iterator[Fault]:
    """Yield the faults of a stage's values.

    Args:
        settings: Settings of the stage, each accepted by the type of its option.
    """
    checks: list[Callable[[StageSettings], Iterator[Fault]]] = [_check_space]
    checks += _CHECKS.get(settings.kind.name, [])

    faulty: set[str] = set()
    for check in checks:
        faults = list(check(settings))
        # A consequence of a fault is not a second fault.
        yield from (fault for fault in faults if fault.key not in faulty)
        faulty |= {fault.key for fault in faults}


def pending_limits(settings: StageSettings) -> Iterator[PendingLimit]:
    """Yield the limits of a stage whose table the pipeline is still to measure."""
    from oneshot.search.constraint import Limit

    space = settings.text("space")
    setting = settings.get("constraint")
    if setting is None or space is None or not setting.is_pending:
        return

    for text in setting.texts:
        # One that cannot be read has been reported.
        if text in setting.pending and not list(setting.raised(Limit.parse, text)):
            yield PendingLimit(setting.key, setting.line, text, space, settings.margin())


def _check_space(settings: StageSettings) -> Iterator[Fault]:
    from spaces.registry import get

    setting = settings.get("space")
    if setting is not None:
        yield from setting.raised(get, setting.texts[0])


def _check_budget(settings: StageSettings) -> Iterator[Fault]:
    from profiler.commands.parameters import seconds

    setting = settings.get("budget")
    if setting is not None:
        yield from setting.raised(seconds, setting.texts[0])


def _check_conditions(settings: StageSettings) -> Iterator[Fault]:
    """Refuse several tables: later stages read one."""
    for key in ("batch", "precision", "resolution"):
        setting = settings.get(key)
        if setting is not None and "," in setting.texts[0]:
            yield setting.fault(
                f"{setting.texts[0]!r} are several tables; a pipeline builds one, so give one value"
            )


def _check_runtime(settings: StageSettings) -> Iterator[Fault]:
    """Refuse files of other runtimes: the stage's file, which `measure` reads, is ONNX."""
    setting = settings.get("to")
    if setting is not None and setting.texts[0] != "onnx":
        yield setting.fault(
            f"a pipeline exports to onnx, not to {setting.texts[0]!r}; export the network"
            " afterwards by `python -m oneshot export --to`"
        )


def _check_data(settings: StageSettings) -> Iterator[Fault]:
    from oneshot.data.registry import check_name

    setting = settings.get("data")
    if setting is not None:
        yield from setting.raised(check_name, setting.texts[0])


def _check_task(settings: StageSettings) -> Iterator[Fault]:
    """Check the task, and that the space's networks have the head that it needs."""
    from oneshot.tasks.registry import DEFAULT, make_task
    from spaces.space import SearchSpace

    space = settings.space()
    setting = settings.get("task")
    if setting is not None:
        yield from setting.raised(make_task, setting.texts[0], space)
        return

    # Without a task the commands take the default one.
    setting = settings.get("space")
    if setting is not None and space is not None and space.head != SearchSpace.head:
        yield from setting.raised(make_task, DEFAULT, space)


def _check_strategy(settings: StageSettings) -> Iterator[Fault]:
    from oneshot.strategies.registry import STRATEGIES, check_options

    strategy = settings.text("strategy")
    setting = settings.get("strategy")
    if setting is not None:
        faults = list(setting.raised(STRATEGIES.get, setting.texts[0]))
        yield from faults
        if faults:
            return

    options = settings.get("option")
    if options is not None and strategy is not None:
        yield from options.raised(check_named_options, check_options, strategy, options.texts)


def _check_guides(settings: StageSettings) -> Iterator[Fault]:
    for key in GUIDE_KEYS:
        setting = settings.get(key)
        if setting is not None and not setting.is_pending:
            yield from _check_guide(setting)

    finalists, final_guide = settings.get("finalists"), settings.get("final-guide")
    if finalists is not None and final_guide is None:
        yield finalists.fault("finalists need their guide; add `final-guide: train:DATA`")
    if final_guide is not None and finalists is None:
        yield final_guide.fault("is the guide of finalists; add `finalists: 8`")


def _check_guide(setting: Setting) -> Iterator[Fault]:
    from oneshot.search.guide_registry import GUIDES
    from tables.benchmarks.registry import benchmark

    kind, _, location = setting.texts[0].partition(":")
    faults = list(setting.raised(GUIDES.get, kind))
    yield from faults
    if not faults and not location:
        yield setting.fault(f"write {kind}:LOCATION, or supernet or predictor for that stage's")

    if kind == "benchmark" and location:
        yield from setting.raised(benchmark, location.partition(":")[0])


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
    yield from setting.raised(read, setting.texts[0])


def _check_limits(settings: StageSettings) -> Iterator[Fault]:
    """Check limits on costs: their form, and whether a network of the space meets them."""
    from oneshot.search.constraint import Limit
    from tables.devices import load_device

    space = settings.space()
    setting = settings.get("constraint")
    if setting is None:
        return

    margin = settings.margin()
    for text in setting.texts:
        faults = list(setting.raised(Limit.parse, text))
        yield from faults
        # The table of a stage that is still to run has no costs yet.
        if faults or space is None or text in setting.pending:
            continue

        limit = Limit.parse(text)
        load = partial(load_device, space=space)
        yield from setting.raised(limit.bind, space, load, margin)


def _check_objectives(settings: StageSettings) -> Iterator[Fault]:
    from oneshot.search.objective import Objective
    from tables.devices import load_device

    space = settings.space()
    setting = settings.get("objective")
    if setting is None or space is None:
        return

    for text in setting.texts:
        if text not in setting.pending:
            load = partial(load_device, space=space)
            yield from setting.raised(Objective.parse, text, space, load)


def _check_table(settings: StageSettings) -> Iterator[Fault]:
    """Check that a table has the blocks of the networks that are measured."""
    from tables.store import load

    space = settings.space()
    setting = settings.get("table")
    if setting is None or setting.is_pending:
        return

    faults = list(setting.raised(load, setting.texts[0]))
    yield from faults
    if not faults and space is not None:
        yield from setting.raised(load(setting.texts[0]).cost_model, space)


_CHECKS: dict[str, list[Callable[[StageSettings], Iterator[Fault]]]] = {
    "profile": [_check_budget, _check_conditions],
    "train": [
        _check_data,
        _check_task,
        check_foreign_options,
        check_algorithm,
        check_target,
        check_charge,
        check_sampler,
        _check_limits,
    ],
    "evaluate": [_check_task],
    "search": [
        _check_task,
        _check_strategy,
        _check_guides,
        _check_limits,
        _check_objectives,
        check_charge,
    ],
    "retrain": [_check_data, _check_task, _check_architecture],
    "export": [_check_runtime],
    "measure": [_check_table],
}
