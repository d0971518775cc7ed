"""The commands `pathfit run` and `pathfit pipeline`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oneshot.commands.options.base import FILE
from spaces.console.group import Group, example
from spaces.console.options import Command, with_options
from spaces.console.outputs import OUTPUT_FILE, OUTPUT_FOLDER

if TYPE_CHECKING:
    from oneshot.pipeline.pipeline import Pipeline, Stage
    from oneshot.pipeline.running import StageReport

_PIPELINE: list[Command] = [
    click.argument("path", metavar="PIPELINE.yaml", type=FILE),
    click.option(
        "--set",
        "assignments",
        metavar="KEY=VALUE",
        multiple=True,
        help="Replace a value of the file, such as train.epochs=10; may be repeated.",
    ),
    click.option(
        "-o",
        "--output",
        type=OUTPUT_FOLDER,
        default=None,
        help="Folder of everything that is written.  [default: runs/NAME, of the file's name]",
    ),
]


@click.command(
    "run",
    epilog=example(
        """
        pathfit run pipeline.yaml
        pathfit run pipeline.yaml --set train.epochs=10 -o runs/short
        pathfit run pipeline.yaml --only search
        pathfit run pipeline.yaml --dry-run
        """
    ),
)
@with_options(*_PIPELINE)
@click.option(
    "--only", multiple=True, metavar="STAGE", help="Run this stage alone; may be repeated."
)
@click.option("--dry-run", is_flag=True, help="Print the commands of all stages and run none.")
def run(
    path: Path,
    assignments: tuple[str, ...],
    output: Path | None,
    only: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Run the stages of a pipeline: profile, train, search, retrain, export, measure.

    Each stage is one of Pathfit's commands. Stages that are done are skipped; an interrupted stage
    resumes. A stage that has changed since runs again, with all stages that read its files.
    """
    from oneshot.pipeline.building import read_pipeline
    from oneshot.pipeline.processes import StageStopped
    from oneshot.pipeline.running import run_pipeline
    from spaces.plugins.loading import loaded_files

    # The stages are processes of their own, which load the files of --plugin again.
    pipeline = read_pipeline(path, output, assignments, loaded_files())
    if dry_run:
        for stage in pipeline.stages:
            click.echo(stage.command_line)
        return

    try:
        reports = run_pipeline(pipeline, _Announcer(), only)
    except StageStopped as stopped:
        click.echo("stopped; run the same command again to resume", err=True)
        # 128 + the signal's number, as shells report it.
        raise SystemExit(128 + stopped.signal_number) from stopped
    _print_summary(pipeline, reports)


@click.group(
    "pipeline",
    cls=Group,
    epilog=example("pathfit pipeline check pipeline.yaml"),
)
def pipeline() -> None:
    """Check and sample pipelines, and convert those of aw_nas."""


@pipeline.command(epilog=example("pathfit pipeline check pipeline.yaml"))
@with_options(*_PIPELINE)
def check(path: Path, assignments: tuple[str, ...], output: Path | None) -> None:
    """Report all faults of a pipeline at once, before anything is written."""
    from oneshot.pipeline.building import read_pipeline

    checked = read_pipeline(path, output, assignments)
    names = ", ".join(stage.name for stage in checked.stages)
    click.echo(f"{path} has no faults; stages: {names}")


@pipeline.command(
    epilog=example(
        """
        pathfit pipeline sample -o pipeline.yaml
        pathfit pipeline sample --space nasbench201 --algorithm darts -o darts.yaml
        """
    )
)
@click.option(
    "--space", default="spos-tiny", show_default=True, help="Space that the pipeline searches."
)
@click.option(
    "--algorithm",
    default="spos",
    show_default=True,
    help="Algorithm that trains the supernet; see `pathfit list algorithm`.",
)
@click.option("--task", default=None, help="Task of the networks.  [default: the commands']")
@click.option(
    "-o", "--output", type=OUTPUT_FILE, default=None, help="File to write.  [default: print it]"
)
def sample(space: str, algorithm: str, task: str | None, output: Path | None) -> None:
    """Write a pipeline that runs as it is, with every further option as a comment."""
    from oneshot.pipeline.sample import sample_text
    from spaces.files import write_text

    text = sample_text(space, algorithm, task)
    if output is None:
        click.echo(text, nl=False)
        return
    write_text(output, text)
    click.echo(f"wrote {output}; run it by: pathfit run {output}")


@pipeline.command(
    epilog=example(
        """
        pathfit pipeline convert darts_search.yaml -o darts.yaml
        pathfit pipeline convert sample_fbnet_diff.yaml --space 'fbnet(input_size=32)' -o fbnet.yaml
        """
    )
)
@click.argument("path", metavar="AWNAS.yaml", type=FILE)
@click.option(
    "--space",
    default=None,
    help="Space in place of the file's, such as one for blocks of a plug-in."
    "  [default: the file's]",
)
@click.option(
    "--data", default=None, help="Data set in place of the file's.  [default: the file's]"
)
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=None,
    help="File to write; the architecture of a final training is written next to it, with the"
    " suffix .genotype.  [default: print it]",
)
def convert(path: Path, space: str | None, data: str | None, output: Path | None) -> None:
    """Turn a configuration of aw_nas into a pipeline, or name the keys that it cannot have.

    Keys without influence on a pipeline's result are comments of the file, each with the reason.
    Nothing is written where a key has no counterpart; see docs/how-to/from-aw_nas.md.
    """
    from oneshot.pipeline.aw_nas import convert as convert_configuration
    from spaces.files import write_text

    genotype = None if output is None else output.with_suffix(".genotype")
    converted = convert_configuration(
        path, space=space, data=data, architecture=None if genotype is None else str(genotype)
    )
    if output is None:
        click.echo(converted.text, nl=False)
        return

    if genotype is not None and converted.architecture is not None:
        write_text(genotype, converted.architecture)
        click.echo(f"wrote {genotype}")
    write_text(output, converted.text)
    click.echo(f"wrote {output}; its comments name {len(converted.notes)} keys that are left out")
    click.echo(f"check it by: pathfit pipeline check {output}")


class _Announcer:
    """Prints the events of a run."""

    def changed(self, changed: Sequence[str], repeated: Sequence[str]) -> None:
        click.echo(
            f"changed since the last run: {', '.join(changed)}; these stages run again:"
            f" {', '.join(repeated)}"
        )

    def begins(self, stage: Stage, position: int, count: int, resumes: bool) -> None:
        state = " (resumed)" if resumes else ""
        click.secho(f"{position}/{count} {stage.name}{state}", bold=True)
        click.secho(f"  {stage.command_line}", dim=True)

    def skipped(self, stage: Stage, position: int, count: int) -> None:
        click.echo(f"{position}/{count} {stage.name} (done before)")


def _print_summary(pipeline: Pipeline, reports: Sequence[StageReport]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table("stage", "seconds", "result", box=SIMPLE_HEAD, pad_edge=False)
    for report in reports:
        table.add_row(report.name, f"{report.seconds:.1f}", report.result)
    Console().print(table)
    click.echo(f"written: {pipeline.folder}")
