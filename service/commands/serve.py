"""`python -m service serve`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from service.settings import DATA, DATA_SETS, PREDICTORS, SUPERNETS, Settings, default_workers
from spaces.console.group import example
from spaces.console.options import with_options

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
POSITIVE = click.IntRange(min=1)

STORAGE = [
    click.option(
        "--data", type=FOLDER, default=DATA, show_default=True, help="Folder of jobs and results."
    ),
    click.option(
        "--database",
        "database_url",
        default=None,
        envvar="PATHFIT_DATABASE",
        help=(
            "URL of a PostgreSQL database; safer in PATHFIT_DATABASE.  [default: a file in --data]"
        ),
    ),
    click.option(
        "--artifacts",
        default=None,
        envvar="PATHFIT_ARTIFACTS",
        help="Folder or fsspec URL of the artifacts.  [default: a folder in --data]",
    ),
    click.option(
        "--tables", type=FOLDER, multiple=True, help="Folder of lookup tables; may be repeated."
    ),
    click.option(
        "--predictors",
        type=click.Path(path_type=Path),
        multiple=True,
        default=[PREDICTORS],
        show_default=True,
        help="Folder of predictors or a .safetensors file; may be repeated.",
    ),
    click.option(
        "--supernets",
        type=FOLDER,
        multiple=True,
        default=[SUPERNETS],
        show_default=True,
        help="Run of a supernet, or a folder of such runs; may be repeated.",
    ),
    click.option(
        "--data-set",
        "data_sets",
        multiple=True,
        default=list(DATA_SETS),
        show_default=True,
        help=(
            "NAME that retrainings may use, or NAME=DATA with the --data of `oneshot retrain`; may"
            " be repeated."
        ),
    ),
    click.option(
        "--space",
        "spaces",
        multiple=True,
        help=(
            "Space with parameters that requests may name, such as 'spos-tiny(head=ssdlite)'; may"
            " be repeated."
        ),
    ),
]

ACCESS = [
    click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        help="Address to serve on; beyond loopback, tokens and TLS are needed.",
    ),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=8000,
        show_default=True,
        help="Port to serve on; 0 for any free one.",
    ),
    click.option(
        "--allowed-host",
        "allowed_hosts",
        multiple=True,
        help="Host name that requests may use; may be repeated.",
    ),
    click.option(
        "--behind-proxy", is_flag=True, help="Accept plain HTTP from a proxy that ends TLS."
    ),
    click.option(
        "--tls-certificate", "certificate", type=FILE, default=None, help="Certificate chain, PEM."
    ),
    click.option(
        "--tls-key", "key", type=FILE, default=None, help="Private key of the certificate, PEM."
    ),
    click.option(
        "--threads",
        type=POSITIVE,
        default=64,
        show_default=True,
        help="Requests that are answered at once.",
    ),
]

WORK = [
    click.option(
        "--workers",
        type=POSITIVE,
        default=None,
        help="Processor cores for jobs.  [default: half of them]",
    ),
    click.option(
        "--gpus", type=click.IntRange(min=0), default=0, show_default=True, help="GPUs for jobs."
    ),
    click.option(
        "--ray-address",
        default=None,
        help="Ray cluster that runs the jobs; it needs --artifacts that all nodes share.",
    ),
]


@click.command(
    epilog=example("""
        python -m service serve --port 8000 --predictors runs/predictors
        python -m service serve --database postgresql://me@db/pathfit --artifacts s3://bucket/pathfit
        """)
)
@with_options(*STORAGE, *ACCESS, *WORK)
def serve(
    data: Path,
    tables: Sequence[Path],
    predictors: Sequence[Path],
    supernets: Sequence[Path],
    data_sets: Sequence[str],
    spaces: Sequence[str],
    artifacts: str | None,
    allowed_hosts: Sequence[str],
    workers: int | None,
    **settings: Any,
) -> None:
    """Serve searches until stopped with Ctrl-C; unfinished jobs resume at the next start."""
    from service.processes.supervisor import serve as serve_settings
    from spaces.registry import get

    data_by_name = {}
    for text in data_sets:
        name, _, value = text.partition("=")
        # A name alone is a data set that Pathfit knows by it.
        data_by_name[name] = value or name

    # Ray's workers have working folders of their own.
    if artifacts is not None and "://" not in artifacts:
        artifacts = str(Path(artifacts).resolve())

    serve_settings(
        Settings(
            data=data.resolve(),
            tables=_resolved(tables),
            predictors=_resolved(predictors),
            supernets=_resolved(supernets),
            data_sets=data_by_name,
            spaces=tuple(get(name).name for name in spaces),
            artifacts=artifacts,
            allowed_hosts=tuple(allowed_hosts),
            workers=workers or default_workers(),
            **settings,
        )
    )


def _resolved(paths: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(path.resolve() for path in paths)
