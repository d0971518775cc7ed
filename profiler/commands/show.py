"""Output of lookup tables on a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from profiler.commands.ranges import cost_range
from spaces.registry import get
from tables.cost.builders import measured_models
from tables.cost.model import CostModel
from tables.lookup_table import LookupTable


def print_table(table: LookupTable, correction: str = "ridge") -> None:
    """Print a lookup table: identity, conditions, blocks by cost, and cost models.

    Args:
        table: The table.
        correction: Correction of the latency model.
    """
    console = Console()
    console.print(f"[bold]{table.name}[/bold]  {table.space} on {table.device['processor']}")
    console.print(
        "  ".join(f"{key}={value}" for key, value in {**table.conditions, **table.versions}.items())
    )
    names = (
        Column("block", min_width=25),
        "ms",
        "IQR",
        "samples",
        "MMACs",
        "params",
        "activations, MiB",
    )

    # Imported tables lack figures that only a measurement has.
    rows = compact_table(*names)
    for key, cost in sorted(table.blocks.items(), key=lambda item: -item[1].latency_ms):
        spread = "-" if cost.latency_iqr_ms is None else f"{cost.latency_iqr_ms:.4f}"
        samples = "-" if cost.samples is None else str(cost.samples)
        memory = "-" if cost.activation_bytes is None else f"{cost.activation_bytes / 2**20:.2f}"
        macs = f"{cost.macs / 1e6:.2f}"
        latency = f"{cost.latency_ms:.4f}"
        rows.add_row(key, latency, spread, samples, macs, str(cost.params), memory)

    console.print(rows)
    if table.is_solved:
        console.print("the runtime fuses blocks: their costs are solved from whole networks")
    if table.measurement is not None and table.measurement.blocks == "adapted":
        console.print("costs are adapted from other devices' tables by a few measured networks")

    _print_models(console, table, correction)


def _print_models(console: Console, table: LookupTable, correction: str) -> None:
    """Print the ranges of latency, memory and energy."""
    space = get(table.space)
    for metric in table.latency_metrics:
        _print_latency(console, table.cost_model(space, metric, correction), table.is_solved)

    models = measured_models(table, space)
    if "memory_bytes" in models:
        held = "of weights and cache" if table.phases else "of activations at once"
        console.print(f"networks hold {cost_range(models['memory_bytes'], 'MiB', 2**20)} {held}")

    if "energy_mj" in models and table.measurement is not None:
        energy = models["energy_mj"]
        counter = table.measurement.energy
        console.print(
            f"networks take {cost_range(energy, 'mJ')} a run, sigma {energy.sigma:.3g} mJ"
            f" ({counter})"
        )


def _print_latency(console: Console, model: CostModel, is_solved: bool) -> None:
    """Print the range of a latency, and the quality of its correction.

    Args:
        console: The terminal.
        model: Model of the latency.
        is_solved: Whether the costs of blocks were solved from whole networks.
    """
    phase = "" if model.metric == "latency_ms" else f"{model.metric}: "
    console.print(f"{phase}networks take {cost_range(model, 'ms')}")
    if model.correction is not None:
        fitted = model.correction
        begin = "the block sum with an intercept"
        if is_solved:
            # A solution begins with one rate for all multiply-accumulates.
            begin = "MACs times one rate"
        console.print(
            f"{fitted.count} whole networks ({fitted.outliers} disturbed ones left out): sigma"
            f" {fitted.sigma:.3g} ms by the {fitted.kind} correction (residual"
            f" {fitted.residual:.3g} ms), of {begin} {fitted.naive_sigma:.3g} ms"
        )
        if fitted.scores:
            compared = ", ".join(f"{kind} {score:.3g} ms" for kind, score in fitted.scores.items())
            console.print(f"5-fold residuals: {compared}")
    elif model.sigma is not None:
        console.print(f"{phase}sigma {model.sigma:.3g} ms, as the table states it")


def compact_table(*names: Column | str, title: str | None = None) -> Table:
    """Return a table without lines between the columns, so that it fits 80 characters.

    Args:
        *names: Names of the columns.
        title: Title above the table. None for none.
    """
    return Table(
        *names,
        title=title,
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
