"""`python -m tables import`: import of lookup tables and benchmarks that others published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from spaces.console.group import command_line, example
from spaces.console.outputs import OUTPUT_FILE
from tables.commands.options import recorded_conditions

BENCHMARKS = (
    *("nasbench201", "nasbench101", "nasbench301", "nasbench-macro"),
    *("nds-resnet", "nds-resnext", "hw-nas-bench"),
)


@click.command(
    "import",
    epilog=example(
        """python -m tables import mobile_trim.yaml --space proxylessnas --device 'Google Pixel 1'
        python -m tables import NAS-Bench-201-v1_1-096897.pth --benchmark nasbench201
        python -m tables import nasbench_full.tfrecord --benchmark nasbench101"""
    ),
)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--space",
    "space_name",
    default=None,
    help="Space whose blocks are looked up in a latency table.",
)
@click.option(
    "--benchmark",
    type=click.Choice(BENCHMARKS),
    default=None,
    help="Benchmark that the file belongs to.",
)
@click.option(
    "--device",
    "processor",
    default="unknown",
    show_default=True,
    help="Device on which the latencies were measured.",
)
@recorded_conditions
@click.option(
    "--sigma",
    "sigma_ms",
    type=click.FloatRange(min=0),
    default=None,
    help=(
        "Standard deviation in ms of a network's latency from the sum of its blocks, of which"
        " searches keep a margin.  [default: unknown, no margin]"
    ),
)
@click.option(
    "--column",
    default=None,
    help="Column of HW-NAS-Bench's operators, such as pixel3_latency; with --space fbnet.",
)
@click.option("--name", default=None, help="Name of the table.  [default: the file's name]")
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=None,
    help="File to write.  [default: named after the files or the benchmark]",
)
def import_(
    files: tuple[Path, ...],
    space_name: str | None,
    benchmark: str | None,
    output: Path | None,
    **options: Any,
) -> None:
    """Import a published lookup table (--space) or a published benchmark (--benchmark).

    Latency tables are those of ProxylessNAS and OFA (YAML or JSON, in ms), aw_nas's profiled
    primitives (a YAML list), the operators of FBNet in HW-NAS-Bench's pickle (--column), speed
    files of BBSSP (.txt: a row for each choice, a number for each candidate), or CSV files. They do
    not record the device and its conditions; the options do. A CSV row is
    key,latency_ms[,iqr_ms[,samples]] with a key in the notation of Pathfit or of ProxylessNAS's
    users. A header may name the columns in another order, std_ms in place of iqr_ms, and the units
    s, us or ns. Files may be compressed by gzip.

    Benchmarks are read from their projects' files: NAS-Bench-201-v1_1-096897.pth, a folder of one
    .pth a cell, or NATS-Bench's folder of one .pickle.pbz2 a cell (nasbench201);
    nasbench_full.tfrecord (nasbench101); the folder of NAS-Bench-301's trained networks, a JSON
    file each (nasbench301; its surrogates are pickles and are not read);
    nas-bench-macro_cifar10.json (nasbench-macro); NDS's ResNet.json and ResNeXt-A.json (nds-resnet,
    nds-resnext); and HW-NAS-Bench-v1_0.pickle (hw-nas-bench, which adds latencies and energies to
    nasbench201).
    """
    if (space_name is None) == (benchmark is None):
        raise click.UsageError(
            "give --space for a latency table, or --benchmark for a benchmark's file"
        )

    if benchmark is not None:
        _benchmark(files, benchmark, output)
    else:
        assert space_name is not None
        _lookup_table(files, space_name, output, **options)


def _benchmark(files: tuple[Path, ...], name: str, output: Path | None) -> None:
    from spaces.console.progress import Bar
    from spaces.files import check_writable_file
    from tables.benchmarks.importing import import_benchmark
    from tables.benchmarks.registry import DEFAULT_FOLDER

    if len(files) > 1:
        raise click.UsageError(f"a benchmark is imported from one file, not from {len(files)}")

    path = output or DEFAULT_FOLDER / f"{name}.npz"
    check_writable_file(path)

    with Bar(f"reading {files[0].name}") as bar:
        records = import_benchmark(
            name, files[0], path, command=command_line(), progress=bar.update
        )

    columns = ", ".join(
        metric if epochs is None else f"{metric} ({epochs} epochs)"
        for metric, epochs in records.columns
    )
    click.echo(f"{len(records.codes)} architectures of {records.space}: {columns}")
    click.echo(f"wrote {path}")


def _lookup_table(
    files: tuple[Path, ...],
    space_name: str,
    output: Path | None,
    *,
    processor: str,
    sigma_ms: float | None,
    name: str | None,
    column: str | None,
    **conditions: Any,
) -> None:
    from spaces.files import check_writable_file, text_stem
    from spaces.registry import get
    from tables.importing.importer import import_table
    from tables.store import DEFAULT_FOLDER

    # The argument admits folders, because some benchmarks are folders.
    folders = [path for path in files if path.is_dir()]
    if folders:
        raise click.UsageError(f"{folders[0]} is a folder; a lookup table is imported from files")

    path = output or DEFAULT_FOLDER / f"{text_stem(files[0])}.json"
    check_writable_file(path)
    space = get(space_name)
    imported = import_table(
        files,
        space,
        name=name or path.stem,
        processor=processor,
        conditions=conditions,
        command=command_line(),
        sigma_ms=sigma_ms,
        column=column,
    )
    imported.table.save(path)
    least, greatest = imported.table.cost_model(space).bounds()
    unused = f"; {len(imported.unused)} rows are of other blocks" if imported.unused else ""
    click.echo(
        f"{len(imported.table.blocks)} blocks of {imported.table.space}, keys in the notation of"
        f" {imported.source}{unused}"
    )
    click.echo(f"networks take {least.value:.4g} to {greatest.value:.4g} ms")
    if sigma_ms is None:
        click.echo(
            "the deviation of whole networks from these sums is unknown, so that limits on this"
            " table keep no margin; state it by --sigma"
        )

    click.echo(f"wrote {path}")
