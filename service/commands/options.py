"""Options that the commands for operating a service share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.settings import DATA
from spaces.console.options import with_options

if TYPE_CHECKING:
    from service.artifacts import Artifacts
    from service.store import Store

FOLDER = click.Path(file_okay=False, path_type=Path)

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_DATABASE_OPTIONS = [
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

_ARTIFACT_OPTION = click.option(
    "--artifacts",
    default=None,
    envvar="PATHFIT_ARTIFACTS",
    help="URL of the artifacts, such as s3://BUCKET/PREFIX.  [default: results in --data]",
)


database_options = with_options(*_DATABASE_OPTIONS)
"""Adds the options for the location of the jobs."""

artifact_options = with_options(*_DATABASE_OPTIONS, _ARTIFACT_OPTION)
"""Adds the options for the locations of the jobs and their artifacts."""


def database_of(data: Path, database: str | None) -> str | Path:
    """Return the database as `Store` takes it."""
    return database or data.resolve() / "jobs.sqlite"


def artifacts_of(data: Path, artifacts: str | None) -> str | Path:
    """Return the artifacts' location as `Artifacts` takes it."""
    return artifacts or data.resolve() / "results"


def open_store(data: Path, database: str | None) -> Store:
    """Open the store of a service; raises InvalidStore if there is none yet."""
    from service.store import InvalidStore, Store

    location = database_of(data, database)
    # A store would create a missing file; the tokens and jobs of another folder are meant.
    if isinstance(location, Path) and not location.is_file():
        raise InvalidStore(
            f"there is no service's data in {data}: {location.name} is missing; choose another"
            " --data"
        )

    return Store(location)


def open_store_and_artifacts(
    data: Path, database: str | None, artifacts: str | None
) -> tuple[Store, Artifacts]:
    """Open the store of a service and its artifacts."""
    from service.artifacts import Artifacts

    return open_store(data, database), Artifacts(artifacts_of(data, artifacts))


class Duration(click.ParamType[float]):
    """A duration such as 30d, 12h, 90m or 45s, converted to seconds."""

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
            self.fail(
                f"expected a duration such as 30d, 12h, 90m or 45s, not {value!r}", param, ctx
            )

        return seconds
