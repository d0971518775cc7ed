"""`python -m service serve`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from service.settings import DATA, DATA_SETS, PREDICTORS, SUPERNETS, Settings, default_workers
from spaces.console.group import example

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
POSITIVE = click.IntRange(min=1)

PLACES = [
    click.option(
        "--data", type=FOLDER, default=DATA, show_default=True, help="Folder of jobs and results."
    ),
    click.option(
        "--database",
        "database_url",
        default=None,
        help="PostgreSQL's URL.  [default: a file in --data]",
    ),
    click.option(
        "--artifacts",
        default=None,
        help="A folder or an fsspec URL.  [default: a folder in --data]",
    ),
    click.option(
        "--tables", type=FOLDER, multiple=True, help="A folder of lookup tables; may be repeated."
    ),
    click.option(
        "--predictors",
        type=click.Path(path_type=Path),
        multiple=True,
        default=[PREDICTORS],
        show_default=True,
        help="A folder of predictors or a .safetensors file; may be repeated.",
    ),
    click.option(
        "--supernets",
        type=FOLDER,
        multiple=True,
        default=[SUPERNETS],
        show_default=True,
        help="A supernet's run, or a folder of such; may be repeated.",
    ),
    click.option(
        "--data-set",
        "data_sets",
        multiple=True,
        default=list(DATA_SETS),
        show_default=True,
        help=(
            "NAME, or NAME=what `oneshot retrain --data` takes: a retraining may name it; may be"
            " repeated."
        ),
    ),
]

ACCESS = [
    click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        help="Beyond loopback tokens and TLS are needed.",
    ),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=8000,
        show_default=True,
        help="0: any free one.",
    ),
    click.option(
        "--allowed-host",
        "allowed_hosts",
        multiple=True,
        help="A name to be asked by; may be repeated.",
    ),
    click.option(
        "--behind-proxy", is_flag=True, help="A proxy that ends TLS stands before the service."
    ),
    click.option(
        "--tls-certificate", "certificate", type=FILE, default=None, help="Certificate chain, PEM."
    ),
    click.option("--tls-key", "key", type=FILE, default=None, help="Its private key, PEM."),
    click.option(
        "--threads", type=POSITIVE, default=64, show_default=True, help="Requests at once."
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
        help="Run jobs on this Ray cluster; --artifacts must be shared then.",
    ),
]


def _options(command: Any) -> Any:
    for option in reversed([*PLACES, *ACCESS, *WORK]):
        command = option(command)
    return command


@click.command(
    epilog=example("""
        python -m service serve --port 8000 --predictors runs/predictors
        python -m service serve --database postgresql://me@db/pathfit --artifacts s3://bucket/pathfit
        """)
)
@_options
def serve(
    data: Path,
    tables: Sequence[Path],
    predictors: Sequence[Path],
    supernets: Sequence[Path],
    data_sets: Sequence[str],
    artifacts: str | None,
    allowed_hosts: Sequence[str],
    workers: int | None,
    **others: Any,
) -> None:
    """Serve searches until stopped with Ctrl-C; what is unfinished then goes on at the next
    start.
    """
    from service.processes.supervisor import serve as serve_settings

    named = [
        (name, value or name) for name, _, value in (text.partition("=") for text in data_sets)
    ]
    serve_settings(
        Settings(
            data=data.resolve(),
            tables=_resolved(tables),
            predictors=_resolved(predictors),
            supernets=_resolved(supernets),
            data_sets=dict(named),
            artifacts=(
                artifacts
                if artifacts is None or "://" in artifacts
                else str(Path(artifacts).resolve())
            ),
            allowed_hosts=tuple(allowed_hosts),
            workers=workers or default_workers(),
            **others,
        )
    )


def _resolved(paths: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(path.resolve() for path in paths)
