"""Values of the profiler's options: durations, lists, names of tables."""

from __future__ import annotations

from typing import Any

import click

SEED = click.IntRange(0, 2**32 - 1)
PRECISIONS = ("fp32", "fp16", "bf16", "int8")


class ListOf(click.ParamType[tuple[Any, ...]]):
    """Values of a type separated by commas, none twice.

    Args:
        item: the type of each.
    """

    def __init__(self, item: click.ParamType[Any]):
        self.item, self.name = item, f"{item.name} list"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"{self.item.get_metavar(param, ctx) or self.item.name.upper()}[,...]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        found = tuple(self.item.convert(part.strip(), param, ctx) for part in str(value).split(","))
        if len(set(found)) < len(found):
            self.fail(f"{value!r} names a value twice", param, ctx)
        return found


def seconds(text: str) -> float:
    """A duration such as `60s`, `2m` or `45` in seconds; raises click.BadParameter."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        value = float(number) * unit
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise click.BadParameter(
            f"{text!r} is no duration; write 60s, 2m or 1h", param_hint="--budget"
        )
    return value


def table_name(
    space: str, processor: str, backend: str, batch: int, precision: str, threads: int
) -> str:
    """The name that a table gets by default, such as `spos-amd-epyc-b1-fp32-t2`; torch goes without
    saying.
    """
    words = f"{space} {processor}".lower()
    slug = "-".join("".join(letter if letter.isalnum() else " " for letter in words).split())
    runtime = "" if backend == "torch" else f"-{backend}"
    return f"{slug}{runtime}-b{batch}-{precision}-t{threads}"
