"""Schedules: options of an algorithm whose value changes from epoch to epoch, or per update."""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from oneshot.errors import InvalidOption

_EPOCH = "epoch"
_UPDATE = "update"
_FIELDS = ("start", "multiply", "add", "every", "first", "min", "max", "values", "epochs")


@dataclass(frozen=True)
class Schedule:
    """A value that moves by a factor, by a step, or to listed values.

    It depends on the number of the update alone, so that a resumed training has the same values.
    Epochs are counted from 1, as in the logs.

    Args:
        start: First value.
        multiply: Factor of each move; None: none.
        add: Addend of each move; None: none.
        every: Interval between moves: `epoch`, `update`, or a number of epochs.
        first: Epoch, or with `update` the update, before which the value rests.
        least: Least value; None: unbounded.
        greatest: Greatest value; None: unbounded.
        values: Values of which each is valid from its epoch on; empty: `start` moves.
        epochs: Epoch of each value, in ascending order from 1.

    Example:
        >>> written = {"start": 5, "multiply": 0.5, "every": "epoch"}
        >>> schedule = Schedule.parse("temperature", written)
        >>> [schedule.value(step, steps_per_epoch=10) for step in (0, 9, 10, 25)]
        [5.0, 5.0, 2.5, 1.25]
    """

    start: float
    multiply: float | None = None
    add: float | None = None
    every: str | int = _EPOCH
    first: int = 1
    least: float | None = None
    greatest: float | None = None
    values: tuple[float, ...] = ()
    epochs: tuple[int, ...] = ()

    @classmethod
    def parse(cls, option: str, written: Mapping[str, Any]) -> Schedule:
        """Read a schedule such as {"start": 5, "multiply": 0.956, "every": "epoch"}.

        Args:
            option: Name of the option, for errors.
            written: `start` with `multiply` or `add`, and `every`, `first`, `min`, `max` on
                request; or `values` with their `epochs`.

        Raises:
            InvalidOption: A field is missing, unknown, or of the wrong kind.
        """
        for name in written:
            if name not in _FIELDS:
                raise InvalidOption(
                    f"{option}: a schedule has no {name!r}; it has: {', '.join(_FIELDS)}"
                )

        if "values" in written:
            return cls._listed(option, written)

        _check_numbers(option, written, ("start", "multiply", "add", "min", "max"))
        if "start" not in written or ("multiply" in written) == ("add" in written):
            raise InvalidOption(
                f"{option}: a schedule needs start, and either multiply or add, such as"
                " {start: 5, multiply: 0.956, every: epoch}; or values and epochs"
            )

        if not written.get("multiply", 1) > 0:
            raise InvalidOption(f"{option}: multiply must be positive, not {written['multiply']!r}")
        every = written.get("every", _EPOCH)
        if every not in (_EPOCH, _UPDATE) and not _is_count(every):
            raise InvalidOption(
                f"{option}: every must be epoch, update or a number of epochs, not {every!r}"
            )
        first = written.get("first", 1)
        if not _is_count(first):
            raise InvalidOption(f"{option}: first must be a whole number from 1 on, not {first!r}")

        def number(name: str) -> float | None:
            return float(written[name]) if name in written else None

        return cls(
            float(written["start"]),
            number("multiply"),
            number("add"),
            every,
            first,
            number("min"),
            number("max"),
        )

    @classmethod
    def _listed(cls, option: str, written: Mapping[str, Any]) -> Schedule:
        values: Any = written["values"]
        epochs: Any = written.get("epochs")
        is_list = isinstance(values, list | tuple) and isinstance(epochs, list | tuple)
        if not is_list or len(values) != len(epochs) or not values or len(written) > 2:
            raise InvalidOption(
                f"{option}: a schedule of values has as many epochs, such as {{values: [0, 1],"
                " epochs: [1, 16]}, and nothing else"
            )

        _check_numbers(option, dict(enumerate(values)), tuple(range(len(values))))
        ascending = all(_is_count(epoch) for epoch in epochs) and all(
            before < after for before, after in pairwise(epochs)
        )
        if not ascending or epochs[0] != 1:
            raise InvalidOption(f"{option}: epochs must begin with 1 and ascend, not {epochs}")

        return cls(float(values[0]), values=tuple(map(float, values)), epochs=tuple(epochs))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON value that `parse` reads."""
        if self.values:
            return {"values": list(self.values), "epochs": list(self.epochs)}

        fields = {
            "start": self.start,
            "multiply": self.multiply,
            "add": self.add,
            "every": self.every,
            "first": self.first,
            "min": self.least,
            "max": self.greatest,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def value(self, step: int, steps_per_epoch: int) -> float:
        """Return the value in an update.

        Args:
            step: Number of the update, from 0.
            steps_per_epoch: Number of updates in an epoch.
        """
        epoch = step // steps_per_epoch
        if self.values:
            # Epochs are numbers from 1 on.
            return self.values[bisect_right(self.epochs, epoch + 1) - 1]

        passed = max(0, (step if self.every == _UPDATE else epoch) - (self.first - 1))
        moves = passed // self.every if isinstance(self.every, int) else passed
        if self.multiply is not None:
            value = self.start * _power(self.multiply, moves)
        else:
            value = self.start + (self.add or 0.0) * moves

        value = value if self.least is None else max(value, self.least)
        return value if self.greatest is None else min(value, self.greatest)


def _power(base: float, exponent: int) -> float:
    try:
        return base**exponent
    except OverflowError:
        # The range of the option refuses it, or the schedule's own bound limits it.
        return math.inf


def split_schedules(
    options: Any, written: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Schedule]]:
    """Separate schedules from the plain values of options.

    Args:
        options: Instance of the dataclass of options, whose `read_once`, where it has that, names
            options that cannot change during a training.
        written: Name -> plain value, or the mapping of a schedule.

    Returns:
        Name -> plain value, for a schedule its first one, and name -> schedule.

    Raises:
        InvalidOption: A schedule is invalid, or its option is no number or cannot change.
    """
    schedules = {
        name: Schedule.parse(name, value)
        for name, value in written.items()
        if isinstance(value, Mapping) and hasattr(options, name)
    }
    for name in schedules:
        default = getattr(options, name)
        if isinstance(default, bool) or not isinstance(default, int | float):
            raise InvalidOption(f"{name} is no number, so that it has no schedule")
        if name in getattr(options, "read_once", ()):
            raise InvalidOption(
                f"{name} is read once, at the beginning of a training, so that it has no schedule"
            )

    first = {
        name: _of_kind(getattr(options, name), schedule.start)
        for name, schedule in schedules.items()
    }
    return {**written, **first}, schedules


def scheduled(
    options: Any, schedules: Mapping[str, Schedule], step: int, steps_per_epoch: int
) -> Any:
    """Return the options with the values of an update.

    Args:
        options: Instance of the dataclass of options.
        schedules: Name -> schedule.
        step: Number of the update, from 0.
        steps_per_epoch: Number of updates in an epoch.

    Raises:
        InvalidOption: A value is out of the option's range.
    """
    values = {
        name: _of_kind(getattr(options, name), schedule.value(step, steps_per_epoch))
        for name, schedule in schedules.items()
    }
    # `replace` runs the checks of the options' `__post_init__`.
    return dataclasses.replace(options, **values)


def _of_kind(like: Any, value: float) -> int | float:
    """Return a value as the kind of number of an option."""
    return round(value) if isinstance(like, int) else value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_numbers(option: str, values: Mapping[Any, Any], names: tuple[Any, ...]) -> None:
    for name in names:
        value = values.get(name, 0)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            raise InvalidOption(f"{option}: {name} of a schedule must be a number, not {value!r}")
