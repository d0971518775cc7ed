"""Compare onnxruntime's int8 with the perturbation `int8` on test images.

    python benchmarks/int8_agreement.py runs/network-1 runs/network-2
    python benchmarks/int8_agreement.py --plugin benchmarks/packed_cifar.py runs/network

For each folder that `oneshot retrain` wrote, the network is exported in int8, and its predicted
classes on the test part are compared with those under `--under int8=1`, with the ranges of the same
training images. The aim is the same class for 98% of 10,000 images, and a loss of at most half a
point against fp32.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from oneshot.data.split import Split
from oneshot.evaluation.calibration import calibration_batches
from oneshot.export.int8 import export_int8
from oneshot.export.onnx_network import OnnxNetwork
from oneshot.perturbations.registry import PERTURBATIONS
from oneshot.run import Run, read_run
from spaces.plugins import load_file

BATCH = 500


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--plugin", type=click.Path(exists=True, path_type=Path), default=None)
@click.option("--threads", type=int, default=1, show_default=True)
def main(folders: tuple[Path, ...], plugin: Path | None, threads: int) -> None:
    """Print accuracies and agreements of each network."""
    torch.set_num_threads(threads)
    if plugin is not None:
        load_file(str(plugin))

    table = Table("network", "fp32", "int8 file", "under int8", "same class", "images")
    for folder in folders:
        table.add_row(folder.name, *row(read_run(folder, "network")))
    Console().print(table)


def row(run: Run) -> list[str]:
    """Return the accuracies in percent, the agreement, and the number of images."""
    model = run.load()
    data = run.data()
    batches = calibration_batches(data.train)
    disturbed = PERTURBATIONS.make("int8").calibrated(model, batches, model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        export_int8(run, path)
        from_file = classes(OnnxNetwork(path), data.test)

    exact = classes(model, data.test)
    simulated = []
    for inputs, _ in data.test.batches(BATCH):
        with (
            torch.no_grad(),
            disturbed.around(model, inputs, torch.sum, torch.Generator()) as changed,
        ):
            simulated.append(model(changed).argmax(1))
    under = torch.cat(simulated)

    accuracies = [
        f"{100 * (found == data.test.labels).double().mean().item():.2f}"
        for found in (exact, from_file, under)
    ]
    agreement = (from_file == under).double().mean().item()
    return [*accuracies, f"{100 * agreement:.2f}%", str(len(under))]


def classes(model: nn.Module, test: Split) -> Tensor:
    """Return the predicted class of each image [n]."""
    with torch.no_grad():
        return torch.cat([model(inputs).argmax(1) for inputs, _ in test.batches(BATCH)])


if __name__ == "__main__":
    main()
