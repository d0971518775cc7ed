"""`python -m service`: serve searches, and ask for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.settings import DATA, PREDICTORS, Settings
from spaces.console import Group, example

if TYPE_CHECKING:
    from oneshot.result import SearchResult
    from service.client import SearchHandle

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(cls=Group)
def main() -> None:
    """Serve searches over HTTP, and ask for them."""


@main.command(epilog=example("python -m service serve --port 8000 --predictors runs/predictors"))
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any free one.")
@click.option("--data", type=FOLDER, default=DATA, show_default=True, help="Folder of jobs and results.")
@click.option("--tables", type=FOLDER, multiple=True, help="A folder of lookup tables; may be repeated.")
@click.option(
    "--predictors",
    type=click.Path(path_type=Path),
    multiple=True,
    default=[PREDICTORS],
    show_default=True,
    help="A folder of predictors or a .safetensors file; may be repeated.",
)
@click.option("--threads", type=click.IntRange(min=1), default=64, show_default=True, help="Requests at once.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=None, help="Searches at once.  [default: half the cores]"
)
def serve(
    host: str,
    port: int,
    data: Path,
    tables: tuple[Path, ...],
    predictors: tuple[Path, ...],
    threads: int,
    workers: int | None,
) -> None:
    """Serve searches until stopped with Ctrl-C; what is unfinished then goes on at the next start."""
    folders = tuple(path.resolve() for path in tables)
    files = tuple(path.resolve() for path in predictors)
    settings = Settings(
        data.resolve(), folders, files, host, port, threads, **({"workers": workers} if workers else {})
    )
    from service.server import serve as serve_settings

    serve_settings(settings)


@main.command(
    epilog=example("python -m service search --space spos-tiny --device my-cpu --latency-ms 12 -o result.json")
)
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="Where the service is.")
@click.option("--space", required=True)
@click.option("--device", default=None, help="A table's name.  [default: the only one]")
@click.option("--latency-ms", type=float, default=None, help="At most, on the device.")
@click.option("--flops", type=float, default=None, help="Multiply-accumulates at most.")
@click.option("--params", type=float, default=None, help="Parameters at most.")
@click.option("--guide", default=None, help="A predictor's name.  [default: the only one of the space]")
@click.option("--strategy", default="evolution", show_default=True, help="evolution (alias spos), random")
@click.option("--margin", type=float, default=None, help="Deviations kept free.  [default: 1.64]")
@click.option("--count", type=int, default=1, show_default=True, help="Best architectures to list.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the result, or only print the id.")
@click.option("--watch", is_flag=True, help="Show progress while waiting.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None)
def search(
    url: str,
    space: str,
    device: str | None,
    latency_ms: float | None,
    flops: float | None,
    params: float | None,
    guide: str | None,
    strategy: str,
    margin: float | None,
    count: int,
    seed: int,
    wait: bool,
    watch: bool,
    output: Path | None,
) -> None:
    """Ask a service for the best networks that meet constraints."""
    import json

    from service.client import Client

    if output is not None and not wait:
        raise click.UsageError("-o needs the result: leave out --no-wait")
    limits = {"latency_ms": latency_ms, "flops": flops, "params": params}
    handle = Client(url).search(
        space=space,
        device=device,
        constraints={metric: limit for metric, limit in limits.items() if limit is not None},
        strategy=strategy,
        guide=guide,
        margin=margin,
        count=count,
        seed=seed,
    )
    if not wait:
        click.echo(handle.id)
        return
    result = _followed(handle, space, watch)
    click.echo(result.summary())
    if output is None:
        click.echo(json.dumps(result.best.to_dict()["architecture"]))
    else:
        result.save(output, count)
        click.echo(f"wrote {output}")


def _followed(handle: SearchHandle, space: str, watch: bool) -> SearchResult:
    """The search's result; Ctrl-C cancels the search."""
    try:
        if not watch:
            return handle.wait()
        from spaces.progress import Bar

        with Bar(f"searching {space}") as bar:
            return handle.wait(
                on_progress=lambda now: bar.update(
                    now.evaluated / now.planned, f"{now.evaluated}/{now.planned}, best {now.best:.4g}"
                )
            )
    except KeyboardInterrupt:
        handle.cancel()
        raise
