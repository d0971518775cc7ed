"""Compress trained networks on CIFAR-10 and compare with uniform scaling, FastNAS and training.

    python benchmarks/compress.py -o runs/compress
    python benchmarks/compress.py --smoke -o runs/compress-smoke
    python benchmarks/compress.py --estimates -o runs/compress-estimates

A network is trained. At 60% and 40% of its multiply-accumulates, each with the same epochs of
fine-tuning, it is set against uniform scaling (all widths by one ratio, the channels of the same
importance) and against that uniformly narrower network trained from scratch for the same epochs.
With `--fastnas PYTHON`, the Python of another environment (see `compress_fastnas.py`), against
FastNAS of NVIDIA Model Optimizer as well, fine-tuned in the same way.
With `--latency`, limits of 70% and 50% of the original's latency follow, next to the network of the
same latency that a limit of multiply-accumulates finds; `--no-counts` leaves out the others.

`--estimates` measures the errors of latency estimates alone: of 30 networks that were not measured
for them, and of ten that a search found. On a busy machine it is run as `chrt -f 10 python ...`.

Each result is a line of OUTPUT/results.jsonl; an interrupted run continues. Data: `packed_cifar.py`
in this folder documents where the images are searched for.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click
import torch
from compress_latency import latency_errors
from compress_networks import NETWORKS
from compress_study import SIDE, Study

from oneshot.data.registry import load
from spaces.files import JsonLines
from spaces.plugins import load_file

FULL = {"images": 27_000, "epochs": 12, "tuning": 3, "measured": 80}
SMOKE = {"images": 1500, "epochs": 2, "tuning": 1, "scored": 24, "measured": 24}


@click.command()
@click.option("--smoke", is_flag=True, help="Few images and epochs.")
@click.option(
    "--network",
    "names",
    type=click.Choice(list(NETWORKS)),
    multiple=True,
    default=("resnet",),
    show_default=True,
)
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "--percent",
    "percents",
    type=click.IntRange(1, 100),
    multiple=True,
    default=(60, 40),
    show_default=True,
    help="Limits of multiply-accumulates, of the original's.",
)
@click.option(
    "--counts/--no-counts", default=True, show_default=True, help="Limits of --percent as well."
)
@click.option("--images", type=int, default=None, help="Training images.")
@click.option("--epochs", type=int, default=None, help="Epochs of the original.")
@click.option("--tuning", type=int, default=None, help="Epochs of fine-tuning.")
@click.option(
    "--scored",
    type=int,
    default=None,
    help="Networks that are scored.  [default: as many as 15 minutes allow]",
)
@click.option("--measured", type=int, default=None, help="Networks that are measured.")
@click.option("--latency", is_flag=True, help="Limits of latency as well.")
@click.option("--estimates", is_flag=True, help="The errors of latency estimates alone.")
@click.option(
    "--backend",
    "backends",
    multiple=True,
    default=("onnxruntime", "torch"),
    show_default=True,
    help="Backend of these estimates.",
)
@click.option(
    "--fastnas",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="Python of an environment with NVIDIA Model Optimizer.",
)
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(
    smoke: bool,
    names: tuple[str, ...],
    seeds: int,
    percents: tuple[int, ...],
    counts: bool,
    latency: bool,
    estimates: bool,
    backends: tuple[str, ...],
    fastnas: Path | None,
    output: Path,
    **changes: int | None,
) -> None:
    """Compare compressions with uniform scaling, FastNAS and networks trained from scratch."""
    torch.set_num_threads(1)
    sizes = {**(SMOKE if smoke else FULL)}
    sizes |= {name: value for name, value in changes.items() if value is not None}
    output.mkdir(parents=True, exist_ok=True)
    load_file(Path(__file__).with_name("packed_cifar.py"))
    data = load("packed-cifar10", (3, SIDE, SIDE), limit=1 if estimates else sizes["images"])
    results = JsonLines(output / "results.jsonl")
    for name in names:
        for seed in range(seeds):
            study = Study(name, seed, sizes, data, output, results)
            if estimates:
                _estimates(study, backends)
                continue

            study.record("original", "", study.original)
            if counts:
                _count_limits(study, percents, fastnas)
            if latency:
                _latency_limits(study)


def _count_limits(study: Study, percents: tuple[int, ...], fastnas: Path | None) -> None:
    macs = study.space.macs(study.space.original)
    for percent in percents:
        limit = f"macs<={percent * macs // 100}"
        study.record("compress", limit, study.compressed)
        if fastnas is not None:
            study.record("fastnas", limit, partial(study.fastnas, python=fastnas))
        study.record("uniform", limit, study.uniform)
        study.record("scratch", limit, study.scratch)


def _latency_limits(study: Study) -> None:
    study.record("original latency", "", study.original_latency)
    original = study.result("original latency")
    assert original is not None
    for fraction in (0.7, 0.5):
        limit = f"latency_ms<={fraction * original['measured_ms']:.5f}@cpu"
        study.record("compress", limit, study.compressed)
        study.record("equal latency", limit, study.equal_latency)


def _estimates(study: Study, backends: tuple[str, ...]) -> None:
    for backend in backends:
        folder = study.folder / backend
        study.record(
            f"estimates {backend}",
            "",
            lambda _, backend=backend, folder=folder: latency_errors(  # type: ignore[misc]
                study.name, backend, study.seed, study.sizes["measured"], folder
            ),
        )


if __name__ == "__main__":
    main()
