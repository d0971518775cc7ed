"""Options that the commands for looking after a service share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.settings import DATA

if TYPE_CHECKING:
    from service.artifacts import Artifacts
    from service.store import Store

FOLDER = click.Path(file_okay=False, path_type=Path)
Command = Callable[..., Any]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_PLACES = [
    click.option(
        "--data", type=FOLDER, default=DATA, show_default=True, help="Folder of jobs and results."
    ),
    click.option(
        "--database",
        default=None,
        envvar="PATHFIT_DATABASE",
        help=(
            "URL of the jobs' database, such as postgresql://USER@HOST/NAME.  [default: jobs.sqlite"
            " in --data]"
        ),
    ),
]

_ARTIFACTS = click.option(
    "--artifacts",
    default=None,
    envvar="PATHFIT_ARTIFACTS",
    help="URL of the artifacts, such as s3://BUCKET/PREFIX.  [default: results in --data]",
)


def database_options(command: Command) -> Command:
    """Where the jobs are."""
    for option in reversed(_PLACES):
        command = option(command)
    return command


def artifact_options(command: Command) -> Command:
    """Where the jobs and their artifacts are."""
    return database_options(_ARTIFACTS(command))


def database_of(data: Path, database: str | None) -> str | Path:
    """What `Store` takes."""
    return database or data.resolve() / "jobs.sqlite"


def artifacts_of(data: Path, artifacts: str | None) -> str | Path:
    """What `Artifacts` takes."""
    return artifacts or data.resolve() / "results"


def opened(data: Path, database: str | None) -> Store:
    """The store of a service; raises InvalidStore also where there is none yet."""
    from service.store import InvalidStore, Store

    place = database_of(data, database)
    if isinstance(place, Path) and not place.is_file():
        raise InvalidStore(
            f"there is no service's data in {data}: {place.name} is missing; choose another --data"
        )
    return Store(place)


def opened_with_artifacts(
    data: Path, database: str | None, artifacts: str | None
) -> tuple[Store, Artifacts]:
    """The store of a service, and its artifacts."""
    from service.artifacts import Artifacts

    return opened(data, database), Artifacts(artifacts_of(data, artifacts))


class Duration(click.ParamType[float]):
    """A time such as 30d, 12h, 90m or 45s, in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        text = str(value)
        try:
            seconds = float(text[:-1]) * _UNITS[text[-1:]]
        except (ValueError, KeyError):
            seconds = -1.0
        if not 0 <= seconds < 1e10:
            self.fail(f"{value!r} is no duration; write 30d, 12h, 90m or 45s", param, ctx)
        return seconds
