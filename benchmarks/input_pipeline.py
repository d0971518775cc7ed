"""Measure the images per second of a folder with both loaders, and the limit set by decoding.

    python benchmarks/input_pipeline.py --data FOLDER
    python benchmarks/input_pipeline.py --workers 1,2,4 --preprocessing spos -o speed.json

Without a folder, photographs of 500 x 375 pixels are generated. Each loader is timed from its first
batch to its last, several times in turn; the report has the median, and the time to the first
batch. The limit is one loop in one process that opens files and decodes them, times the number of
processes. The processor time per image (of all processes and threads) is also reported, since it
is valid on a shared machine as well.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from oneshot.data.decoding import decode, read_file
from oneshot.data.folder_split import FolderSplit, processors
from oneshot.data.registry import load
from spaces.errors import MissingExtra
from spaces.files import write_text


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), default=None)
@click.option(
    "--images", type=click.IntRange(min=1), default=1024, show_default=True, help="Images a pass."
)
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True)
@click.option("--input-size", type=click.IntRange(min=1), default=224, show_default=True)
@click.option(
    "--workers", default="1,2", show_default=True, help="Processes or threads, to be compared."
)
@click.option(
    "--preprocessing",
    type=click.Choice(["standard", "spos"]),
    default="standard",
    show_default=True,
)
@click.option("--repeats", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None)
def main(
    data: Path | None,
    images: int,
    batch_size: int,
    input_size: int,
    workers: str,
    preprocessing: str,
    repeats: int,
    output: Path | None,
) -> None:
    """Print a table of images a second."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as created:
        folder = data or _made_up(Path(created))
        counts = [int(count) for count in workers.split(",")]
        splits = dict(_splits(folder, images, input_size, preprocessing))
        figures: dict[tuple[str, int], list[dict[str, float]]] = {}
        for _ in range(repeats):
            for count in counts:
                for name, split in splits.items():
                    timing = _pass(dataclasses.replace(split, workers=count), batch_size)
                    figures.setdefault((name, count), []).append(timing)
            figures.setdefault(("decoding", 1), []).append(_decoding(splits["torch"]))
    rows = _rows(figures, counts)
    _show(rows, images, batch_size, input_size, preprocessing)
    if output is not None:
        settings = {"images": images, "batch_size": batch_size, "input_size": input_size}
        settings |= {
            "preprocessing": preprocessing,
            "processors": processors(),
            "cuda": torch.cuda.is_available(),
        }
        write_text(output, json.dumps({**settings, "rows": rows}, indent=1) + "\n")


def _splits(
    folder: Path, images: int, side: int, preprocessing: str
) -> Iterator[tuple[str, FolderSplit]]:
    for loader in ("torch", "dali"):
        try:
            split = load(folder, (3, side, side), loader=loader, preprocessing=preprocessing).train
        except MissingExtra as error:
            click.echo(str(error), err=True)
            continue
        assert isinstance(split, FolderSplit)
        # A small folder is read over and over; its files lie in memory then, so that no disk is
        # measured.
        places = np.resize(np.arange(len(split)), images)
        files = [split.files[position] for position in places.tolist()]
        yield (
            loader,
            dataclasses.replace(split, files=files, labels=split.labels[places], unreadable={}),
        )


def _pass(split: FolderSplit, batch_size: int) -> dict[str, float]:
    before = _processor_seconds()
    begin = time.perf_counter()
    first = 0.0
    seen = -1
    total = 0
    for images, _ in split.epochs(batch_size, 0, augment=True):
        total += len(images)
        if seen < 0:
            first = time.perf_counter()
            seen = 0
            continue
        seen += len(images)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    end = time.perf_counter()
    gc.collect()  # the loader's workers are waited for, which counts their time
    return {
        "images_per_second": seen / (end - first),
        "first_batch_seconds": first - begin,
        "processor_ms": 1000 * (_processor_seconds() - before) / total,
    }


def _decoding(split: FolderSplit) -> dict[str, float]:
    files = split.files[: min(len(split), 256)]
    before = _processor_seconds()
    begin = time.perf_counter()
    for file in files:
        decode(read_file(split.root / file))
    seconds = time.perf_counter() - begin
    processor_ms = 1000 * (_processor_seconds() - before) / len(files)
    return {"images_per_second": len(files) / seconds, "processor_ms": processor_ms}


def _processor_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _rows(
    figures: dict[tuple[str, int], list[dict[str, float]]], counts: list[int]
) -> list[dict[str, object]]:
    def median(name: str, count: int, key: str) -> float:
        return float(np.median([timing[key] for timing in figures[name, count]]))

    limit = median("decoding", 1, "images_per_second")
    rows: list[dict[str, object]] = []
    for count in counts:
        alone: dict[str, object] = {
            "what": "decoding alone",
            "workers": count,
            "images_per_second": limit * count,
        }
        rows.append(
            {**alone, "of_limit": 1.0, "processor_ms": median("decoding", 1, "processor_ms")}
        )
        for name in ("torch", "dali"):
            if (name, count) in figures:
                speed = median(name, count, "images_per_second")
                row: dict[str, object] = {
                    "what": f"--loader {name}",
                    "workers": count,
                    "images_per_second": speed,
                }
                row |= {
                    key: median(name, count, key) for key in ("first_batch_seconds", "processor_ms")
                }
                rows.append({**row, "of_limit": speed / (limit * count)})
    return rows


def _show(
    rows: list[dict[str, object]], images: int, batch_size: int, side: int, preprocessing: str
) -> None:
    table = Table(
        "what", "processes or threads", "images/s", "of the limit", "processor time", "first batch"
    )
    for row in rows:
        first = f"{row['first_batch_seconds']:.2f} s" if "first_batch_seconds" in row else ""
        speed = f"{row['images_per_second']:.0f}"
        fraction = f"{row['of_limit']:.2f}"
        table.add_row(
            str(row["what"]),
            str(row["workers"]),
            speed,
            fraction,
            f"{row['processor_ms']:.1f} ms",
            first,
        )
    device = (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"{processors()} processors, no GPU"
    )
    table.title = (
        f"{images} images, batches of {batch_size}, {side} pixels, {preprocessing}, {device}"
    )
    Console().print(table)


def _made_up(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for subset in ("train", "val"):
        for name in ("a", "b"):
            (root / subset / name).mkdir(parents=True)
            for index in range(64 if subset == "train" else 2):
                coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
                smooth = np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC)).astype(
                    np.int16
                )
                grain = rng.normal(0, 8, smooth.shape).astype(np.int16)
                picture = Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))
                picture.save(root / subset / name / f"{index}.jpg", quality=90)
    return root


if __name__ == "__main__":
    main()
