"""`python -m service doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from service.commands.options import FOLDER, artifact_options
from service.settings import PREDICTORS, Settings
from spaces.console.group import example

_MARKS = {"ok": "[green]✓[/green]", "note": "[yellow]![/yellow]", "fault": "[red]✗[/red]"}


@click.command(epilog=example("python -m service doctor --data runs/service"))
@artifact_options
@click.option(
    "--tables", type=FOLDER, multiple=True, help="Folder of lookup tables; may be repeated."
)
@click.option(
    "--predictors",
    type=click.Path(path_type=Path),
    multiple=True,
    default=[PREDICTORS],
    show_default=True,
    help="Folder of predictors or a .safetensors file; may be repeated.",
)
def doctor(
    data: Path,
    database: str | None,
    artifacts: str | None,
    tables: tuple[Path, ...],
    predictors: tuple[Path, ...],
) -> None:
    """Check everything that a service needs, running or not; exit with 1 if there is a fault."""
    from rich.console import Console
    from rich.markup import escape

    from service.operation.doctor import examine

    settings = Settings(
        data.resolve(), tables, predictors, database_url=database, artifacts=artifacts
    )
    console = Console(soft_wrap=True, highlight=False)
    faults = 0
    for finding in examine(settings):
        console.print(
            f"{_MARKS[finding.level]} [bold]{finding.subject:<10}[/bold] {escape(finding.detail)}"
        )
        faults += finding.level == "fault"

    summary = f"[red]faults to fix: {faults}[/red]" if faults else "[green]no faults[/green]"
    console.print(summary)
    raise SystemExit(min(faults, 1))
