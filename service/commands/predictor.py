"""`python -m service predictor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.commands.assignments import parse_assignments
from service.commands.connection import with_client
from service.commands.waiting import check_waiting, wait_for_job, waiting_options, write_artifact
from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE

if TYPE_CHECKING:
    from service.client import Client
    from service.jobs import JsonObject


@click.command(
    epilog=example("""
        python -m service predictor --evaluations mine --name gates -O encoder=gates --watch
        python -m service predictor --evaluations mine --name steps -O encoder=ta-gates \\
            --metric top1_12_epochs --metric top1 --no-wait
        python -m service predictor --columns phone --columns phone-proxies --name votes --watch
        python -m service predictor --evaluations mine --columns mine:top1_12 --columns proxies \
            --metric top1 --name experts -O encoder=dele --watch
        """)
)
@with_client
@click.option(
    "--evaluations",
    default=None,
    help="Name of evaluations of the service; required unless --columns vote without labels.",
)
@click.option(
    "--columns",
    multiple=True,
    help="Evaluations or proxies of the service that the evaluations weigh, that vote without"
    " them, or, with -O encoder=dele, that experts learn: NAME or NAME:METRIC; may be repeated.",
)
@click.option(
    "--space",
    default=None,
    help="Space of the predictor, of which columns may be of another form.  [default: theirs]",
)
@click.option("--name", required=True, help="Name of the new predictor, which searches use.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="Metric to predict; several teach the steps of ta-gates, the last is predicted."
    "  [default: the score of the evaluations' task]",
)
@click.option(
    "-O",
    "--option",
    "options",
    multiple=True,
    help="NAME=VALUE, an option of `predictor train`; may be repeated.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Seed of the split and of the fit.",
)
@click.option(
    "--shared",
    is_flag=True,
    help="Add it to the shared library, which needs an administrator's token.",
)
@waiting_options()
@click.option(
    "-o", "--output", type=OUTPUT_FILE, default=None, help="File of the predictor (safetensors)."
)
def predictor(
    client: Client,
    evaluations: str | None,
    columns: tuple[str, ...],
    space: str | None,
    name: str,
    metrics: tuple[str, ...],
    options: tuple[str, ...],
    seed: int,
    shared: bool,
    wait: bool,
    watch: bool,
    output: Path | None,
) -> None:
    """Train a predictor from evaluations of a service, where searches may name it afterwards.

    Ctrl-C cancels the training. With --no-wait it continues without this command; it resumes if the
    service restarts.
    """
    check_waiting(wait, watch, output)

    training_options: dict[str, Any] = parse_assignments(options)
    if "metric" in training_options:
        raise click.BadParameter("metric has an option of its own, --metric", param_hint="--option")
    if metrics:
        training_options["metric"] = list(metrics) if len(metrics) > 1 else metrics[0]

    handle = client.train_predictor(
        name,
        evaluations,
        columns=columns,
        space=space,
        seed=seed,
        shared=shared,
        **training_options,
    )
    if not wait:
        click.echo(handle.id)
        return

    result = wait_for_job(handle, watch, "training", lambda now: now.state or now.stage)
    click.echo(_in_words(result["report"]))
    write_artifact(handle, output)


def _in_words(report: JsonObject) -> str:
    """Return one line on how well a predictor ranks unseen networks, or on its evidence."""
    if "figures" not in report:
        return str(report["evidence"])

    encoder = report["encoder"]
    tau = report["figures"][encoder]["kendall_tau"]
    quality = "undefined" if tau is None else f"{tau:.3f}"
    return (
        f"{encoder}, trained on {report['trained_on']} networks, ranks {report['tested_on']} unseen"
        f" ones by {report['metric']} with Kendall's tau {quality}"
    )
