"""`python -m profiler validate`: a table compared with networks that it was not built from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from profiler.commands.parameters import exit_if_interrupted, rounds_option, seed_option
from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE

if TYPE_CHECKING:
    from profiler.validation import Accuracy, Validation
    from tables.lookup_table import LookupTable

# Two halves of two rounds each, whose agreement is the ceiling.
_LEAST_ROUNDS = 4


@click.command(epilog=example("python -m profiler validate my-cpu.json --networks 30"))
@click.argument("table")
@click.option(
    "--networks",
    type=click.IntRange(min=3),
    default=30,
    show_default=True,
    help="Number of random networks.",
)
@click.option(
    "--searched",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Number of searched networks at each limit.",
)
@rounds_option(_LEAST_ROUNDS, "every network")
@click.option(
    "--correction",
    type=click.Choice(["ridge", "linear", "mlp", "lstm", "best"]),
    default="ridge",
    show_default=True,
    help="Correction of the block sum by whole networks.",
)
@click.option(
    "--before",
    "before_name",
    default=None,
    help="Earlier version of the table, which is compared with the same networks.",
)
@click.option(
    "--device", "device_name", default=None, help="cpu, gpu, gpu:1  [default: the table's kind]"
)
@seed_option(1, "the networks and the orders")
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=None,
    help="File to write the results to, as JSON.",
)
def validate(
    table: str,
    networks: int,
    searched: int,
    rounds: int,
    correction: str,
    before_name: str | None,
    device_name: str | None,
    seed: int,
    output: Path | None,
) -> None:
    """Measure networks that a table was not built from, and compare its estimates with them.

    Random networks, none of which is in the table, show its error and its ranking; the agreement
    of two halves of the measurements is the ceiling of any ranking. Searched networks, which the
    table is prone to underestimate, are measured under limits at the 10th, 50th and 90th percentile
    of the range of limits. With --before, an earlier version is compared by the same random
    networks. Networks of text are compared in both phases. Ctrl-C compares the rounds so far, if
    there are four, with exit code 130.
    """
    import json

    # Imported now: a missing scipy is an error before anything is measured.
    import scipy.stats  # noqa: F401

    from profiler.backends.registry import make_backend_of
    from profiler.instruments.devices import find, find_like
    from profiler.phases import by_phase
    from profiler.validation import check_versions
    from profiler.validation import validate as validate_table
    from spaces.console.progress import Bar
    from spaces.files import write_text
    from spaces.registry import get
    from tables.store import load

    lookup_table = load(table)
    lookup_table.measured  # noqa: B018 - raises where the table was imported
    before = None if before_name is None else load(before_name)
    if before is not None:
        check_versions(lookup_table, before)

    device = find(device_name) if device_name else find_like(lookup_table.device)
    backend = make_backend_of(lookup_table, device.torch_name)

    results: dict[str, Validation] = {}
    for phase, phase_table, space in by_phase(lookup_table, get(lookup_table.space)):
        # An interruption ends the command, also before the phases that follow.
        if any(result.rounds < rounds for result in results.values()):
            break

        with Bar(f"validating {lookup_table.name} {phase}".rstrip()) as bar:
            results[phase] = validate_table(
                phase_table,
                space,
                backend,
                networks=networks,
                searched=searched,
                rounds=rounds,
                seed=seed,
                correction=correction,
                progress=bar.update,
                least_rounds=_LEAST_ROUNDS,
                before=before.at_phase(phase) if before is not None and phase else before,
            )

    interrupted = any(result.rounds < rounds for result in results.values())
    if output is not None:
        reports: dict[str, Any] = {phase: result.to_dict() for phase, result in results.items()}
        report = {
            "table": lookup_table.name,
            "seed": seed,
            "stopped_by": "interrupt" if interrupted else "rounds",
            **(reports if lookup_table.phases else reports[""]),
        }
        write_text(output, json.dumps(report, indent=1) + "\n")

    if before is not None:
        _print_sigmas(before, lookup_table, correction)
    for phase, result in results.items():
        _print(lookup_table, phase, result, device.processor)
    exit_if_interrupted(interrupted)


def _print_sigmas(before: LookupTable, table: LookupTable, correction: str) -> None:
    from spaces.registry import get

    space = get(table.space)
    for metric in table.latency_metrics:
        sigmas = [item.cost_model(space, metric, correction).sigma for item in (before, table)]
        old, new = (f"{sigma or 0.0:.4g}" for sigma in sigmas)
        click.echo(
            f"{metric}: sigma {old} -> {new} ms, networks"
            f" {len(before.networks)} -> {len(table.networks)}"
        )


def _print(table: LookupTable, phase: str, validation: Validation, processor: str) -> None:
    from rich.console import Console

    from profiler.commands.show import compact_table

    console = Console()

    # Another processor is allowed: whether a table carries over is a question to measure.
    if processor != table.device["processor"]:
        console.print(
            f"[yellow]the table is of {table.device['processor']}, this device is"
            f" {processor}[/yellow]"
        )

    title = f"{validation.networks} random networks of {table.space}, {validation.rounds} rounds"
    if phase:
        title = f"{phase}: {title}"
    names = "estimate", "MAPE raw", "MAPE", "in 5%", "in 10%", "largest", "Spearman", "Kendall"
    rows = compact_table(*names, title=title)
    rows.add_row("cost model", *_cells(validation.estimate))
    if validation.before is not None:
        rows.add_row("cost model before", *_cells(validation.before))
    rows.add_row("block sum", *_cells(validation.block_sum))
    rows.add_row(
        "ceiling",
        "",
        f"{validation.ceiling_mape:.2%}",
        *[""] * 3,
        f"{validation.ceiling_spearman:.3f}",
        f"{validation.ceiling_kendall:.3f}",
    )
    console.print(rows)
    console.print(
        "ceiling: the agreement of two halves of the rounds, and so the error of a perfect estimate"
    )
    console.print(
        f"the reference network takes {validation.drift:.3f} times as long as at the build, "
        "which is divided out of all but the raw values"
    )
    limits = compact_table(
        "percentile", "limit", "searched networks", "within it", "within it, raw"
    )
    for limit in validation.limits:
        cells = (
            f"{limit.limit_ms:.4g} ms",
            str(limit.networks),
            str(limit.within),
            str(limit.within_raw),
        )
        limits.add_row(f"{limit.percentile}th", *cells)

    console.print(limits)


def _cells(accuracy: Accuracy) -> list[str]:
    return [
        f"{accuracy.mape_raw:.2%}",
        f"{accuracy.mape:.2%}",
        f"{accuracy.within_5:.0%}",
        f"{accuracy.within_10:.0%}",
        f"{accuracy.largest:.2%}",
        f"{accuracy.spearman:.3f}",
        f"{accuracy.kendall:.3f}",
    ]
