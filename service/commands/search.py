"""`python -m service search`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from oneshot.commands.options.verification import echo_verification
from service.client.bodies import without_none
from service.commands.assignments import parse_assignments
from service.commands.connection import with_client
from service.commands.waiting import check_waiting, waiting_options
from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE
from tables.metrics import MARGIN

if TYPE_CHECKING:
    from oneshot.search.result import SearchResult
    from service.client import Client, SearchHandle, SearchProgress


@click.command(
    epilog=example("""
        python -m service search --space spos --device my-cpu --latency-ms 12 --watch
        python -m service search --space spos-tiny --flops 2e6 --strategy random -O evaluations=500
        """)
)
@with_client
@click.option("--space", required=True, help="Name of the search space.")
@click.option(
    "--device",
    default=None,
    help="Lookup table, or a benchmark's device such as raspi4.  [default: the only table]",
)
@click.option("--latency-ms", type=float, default=None, help="Latency at most, on the device.")
@click.option("--flops", type=float, default=None, help="Multiply-accumulates at most.")
@click.option("--params", type=float, default=None, help="Parameters at most.")
@click.option(
    "--memory-bytes", type=float, default=None, help="Peak memory at most, if the table has it."
)
@click.option(
    "--energy-mj", type=float, default=None, help="Energy of one run at most, if the table has it."
)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    help="Cost that is traded for the score; may be repeated.",
)
@click.option(
    "--charge",
    "charges",
    multiple=True,
    help="Cost that the loss is multiplied by, (cost / budget)^exponent, such as macs=2e8^0.07; may"
    " be repeated.",
)
@click.option(
    "--guide",
    default=None,
    help="Predictor, lower-bound:NAME (its mean less one deviation), benchmark:NAME or"
    " supernet:NAME.  [default: the only predictor]",
)
@click.option(
    "--rank-by",
    default=None,
    help="Metric by which a supernet ranks networks, or several with weights: top1=1,top1_pgd=0.5."
    "  [default: the score of its task]",
)
@click.option(
    "--under",
    multiple=True,
    help="Perturbation of a supernet's evaluation with its weight, such as clean=0.5; may be"
    " repeated.",
)
@click.option(
    "--strategy",
    default="evolution",
    show_default=True,
    help="See `python -m oneshot search --help`.",
)
@click.option(
    "-O", "--option", "options", multiple=True, help="NAME=VALUE of the strategy; may be repeated."
)
@click.option(
    "--margin",
    type=float,
    default=None,
    help=f"Standard deviations below a limit.  [default: {MARGIN:g}]",
)
@click.option("--count", type=int, default=1, show_default=True, help="Best architectures to list.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the search.")
@click.option(
    "--finalists",
    type=int,
    default=None,
    help="Number of best networks that are trained briefly and ordered by their scores.",
)
@click.option(
    "--data",
    default=None,
    help="Data set of the service that finalists are trained on.  [default: digits]",
)
@click.option(
    "--training",
    multiple=True,
    help="NAME=VALUE of the finalists' trainings, such as steps=300; may be repeated.",
)
@click.option(
    "--verify", type=int, default=None, help="Number of best networks to measure on the device."
)
@click.option(
    "--measure-on",
    default=None,
    help="Agent that measures.  [default: that of the table's device, or the service's machine]",
)
@click.option(
    "--verify-within",
    default=None,
    help="Time that the search waits for an agent, such as 10m.  [default: 10m]",
)
@waiting_options("Show progress while waiting, then the front.")
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=None,
    help="File of the whole result.  [default: print the best architectures]",
)
def search(
    client: Client,
    space: str,
    device: str | None,
    objectives: tuple[str, ...],
    charges: tuple[str, ...],
    guide: str | None,
    rank_by: str | None,
    under: tuple[str, ...],
    strategy: str,
    options: tuple[str, ...],
    margin: float | None,
    count: int,
    seed: int,
    finalists: int | None,
    data: str | None,
    training: tuple[str, ...],
    verify: int | None,
    measure_on: str | None,
    verify_within: str | None,
    wait: bool,
    watch: bool,
    output: Path | None,
    **limits: float | None,
) -> None:
    """Request the best networks that meet constraints from a service.

    Ctrl-C cancels the search. With --no-wait it continues without this command; it resumes if the
    service restarts.
    """
    from profiler.commands.parameters import seconds

    check_waiting(wait, watch, output)
    if finalists is None and (data is not None or training):
        raise click.UsageError("--data and --training are for --finalists; add --finalists 8")

    handle = client.search(
        space=space,
        device=device,
        constraints={metric: limit for metric, limit in limits.items() if limit is not None},
        objectives=objectives,
        charges=charges,
        strategy=strategy,
        options=parse_assignments(options) or None,
        guide=guide,
        rank_by=rank_by,
        under=under,
        margin=margin,
        count=count,
        seed=seed,
        finalists=None
        if finalists is None
        else without_none(
            {"count": finalists, "data": data, "training": parse_assignments(training) or None}
        ),
        verify=verify,
        measure_on=measure_on,
        verify_within_s=None if verify_within is None else seconds(verify_within),
    )
    if not wait:
        click.echo(handle.id)
        return

    result = _wait(handle, space, watch)
    if watch:
        from rich.console import Console

        from service.commands.front import front_table

        Console().print(front_table(result))

    _write(result, count, output)
    if output is not None and result.verification is not None and result.verification.networks:
        _write_measured(handle, output)


def _write_measured(handle: SearchHandle, output: Path) -> None:
    """Write the measured networks next to the result, as `oneshot search --verify` does."""
    from spaces.files import write_text

    path = output.with_name(f"{output.name}.measured.json")
    write_text(path, handle.measured().decode())
    click.echo(f"wrote {path}")


def _write(result: SearchResult, count: int, output: Path | None) -> None:
    import json

    for note in result.margin_notes():
        click.echo(note, err=True)
    click.echo(result.summary())
    echo_verification(result)
    if evidence := result.guide.get("evidence"):
        click.echo(evidence)
    if output is None:
        for rank in result.best_ranks(count):
            click.echo(json.dumps(result.candidate(rank).architecture.to_dict()))
    else:
        result.save(output, count)
        click.echo(f"wrote {output}")


def _wait(handle: SearchHandle, space: str, watch: bool) -> SearchResult:
    """Wait for the result of a search; Ctrl-C cancels the search."""
    try:
        if not watch:
            return handle.wait()

        from spaces.console.progress import Bar

        with Bar(f"searching {space}") as bar:
            bar.update(0.0, "queued")
            return handle.wait(
                on_progress=lambda now: bar.update(now.fraction, _progress_text(now))
            )
    except KeyboardInterrupt:
        _cancel(handle)
        raise


def _progress_text(progress: SearchProgress) -> str:
    if progress.finalists is not None:
        return f"finalists, {progress.finalists.state}"
    return f"{progress.evaluated}/{progress.planned}, best {progress.best:.4g}"


def _cancel(handle: SearchHandle) -> None:
    from service.client import ServiceProblem

    try:
        handle.cancel()
    except ServiceProblem as error:
        # The search has ended or the service is away: Ctrl-C ends this command all the same.
        click.echo(f"not cancelled: {error}", err=True)
    else:
        click.echo(f"cancelled {handle.id}", err=True)
