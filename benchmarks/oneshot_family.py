"""The networks that one-shot algorithms find in a space, trained alike beside random ones.

    python benchmarks/oneshot_family.py --smoke -o runs/oneshot-family-smoke
    python benchmarks/oneshot_family.py --device gpu --precision bf16 -o runs/oneshot-family

Each algorithm searches the supernet of a scaled space of SPOS on CIFAR-10 images; what it returns and random networks
of the same space are trained alike from fresh weights, each by a seed of its own, and tested. What was done before an
interruption is kept: the same command goes on. Networks differ in size, so their MACs are told beside the accuracy.

Data: `packed_cifar.py` beside this file says where the images are looked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from oneshot_nasbench201 import ALGORITHMS, SHORT, searched
from rich.console import Console
from rich.table import Table

from oneshot.data.images import ImageData
from oneshot.data.registry import load as load_data
from oneshot.recipe import Recipe
from oneshot.retraining.network_training import device_of, train_network
from oneshot.retraining.options import RetrainOptions
from oneshot.retraining.report import report_on_test
from oneshot.run import begin
from oneshot.training.execution import Execution
from spaces import __version__
from spaces.architecture import Architecture
from spaces.files import write_text
from spaces.plugins import load_file
from spaces.progress import Bar
from spaces.registry import get


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Args:
        space: that is searched.
        images: most images of each part.
        validation: training images that are held out for the architecture.
        epochs: of a search.
        network: recipe of the networks.
        augment: whether the networks' images are varied.
    """

    space: str
    images: int
    validation: int
    epochs: int
    network: Recipe
    augment: bool


SMOKE = Scale(
    "spos(input_size=16, stem_stride=1, repeats=(1, 2, 1), channels=(16, 32, 64), stem_channels=8, head_channels=64, "
    "num_classes=10)",
    images=2000,
    validation=800,
    epochs=3,
    network=Recipe(epochs=3, batch_size=64, learning_rate=0.1, schedule="cosine"),
    augment=False,
)
FULL = Scale(
    "spos(input_size=32, stem_stride=1, repeats=(3, 3, 4), channels=(64, 128, 256), head_channels=512, num_classes=10)",
    images=50_000,
    validation=10_000,
    epochs=50,
    network=Recipe(epochs=60, batch_size=256, learning_rate=0.1, schedule="cosine", weight_decay=5e-4),
    augment=True,
)


@click.command()
@click.option("--smoke", is_flag=True, help="A small space and few images, some minutes of a core.")
@click.option("--algorithm", "names", type=click.Choice(ALGORITHMS), multiple=True, help="Default: all.")
@click.option("--random", "drawn", type=click.IntRange(min=1), default=5, show_default=True, help="Random networks.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True)
@click.option("--threads", type=int, default=None, help="Torch threads.")
@click.option("--images", "data", default="packed-cifar10", show_default=True, help="As --data of `oneshot train`.")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(names: tuple[str, ...], smoke: bool, drawn: int, seed: int, data: str, output: Path, **options: Any) -> None:
    """Search by each algorithm, train what was found and random networks alike, and compare."""
    load_file(str(Path(__file__).with_name("packed_cifar.py")))
    if options["threads"] is not None:
        torch.set_num_threads(options["threads"])
    scale = SMOKE if smoke else FULL
    space = get(scale.space)
    images = load_data(data, space.input_shape, limit=scale.images, validation=scale.validation)
    execution = Execution(accelerator=options["device"], precision=options["precision"])
    networks: list[tuple[str, Architecture]] = []
    for name in names or ALGORITHMS:
        path = output / f"{name}.json"
        if not path.exists():
            given = SHORT[name] if smoke else {}
            found, _ = searched(space, name, given, images, scale.epochs, seed, output / f"search-{name}", execution)
            write_text(path, found.to_json() + "\n")
        networks.append((name, Architecture.from_json(path.read_text())))
    random = space.decode(space.sample(np.random.default_rng([seed, 7]), drawn))
    networks += [(f"random-{number}", architecture) for number, architecture in enumerate(random)]
    reports = [
        retrained(scale, architecture, name, seed + number, images, execution, output)
        for number, (name, architecture) in enumerate(networks)
    ]
    write_text(output / "comparison.json", json.dumps(reports, indent=1) + "\n")
    show(reports)


def retrained(
    scale: Scale, architecture: Architecture, name: str, seed: int, data: ImageData, execution: Execution, output: Path
) -> dict[str, Any]:
    """The test report of a network that is trained from fresh weights."""
    space = get(scale.space)
    settings = {
        "kind": "network",
        "space": space.name,
        "data": data.record(),
        "recipe": scale.network.to_dict(),
        "seed": seed,
        "execution": execution.to_dict(),
        "version": __version__,
        "command": "benchmarks/oneshot_family.py",
        "architecture": architecture.to_dict(),
        "retraining": RetrainOptions(augment=scale.augment, norm_batches=10).to_dict(),
    }
    run = begin(output / f"network-{name}", settings, resume=True)
    path = run.folder / "test.json"
    if not path.exists():
        with Bar(name) as bar:
            network = train_network(run, bar.update, execution, data)
        report = report_on_test(network, data, device_of(execution))
        told = {"name": name, "macs": int(space.macs(architecture))}
        write_text(path, json.dumps({**told, **report}, indent=1) + "\n")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def show(reports: list[dict[str, Any]]) -> None:
    """Print all networks, and the mean and the best of the random ones."""
    table = Table("network", "M MACs", "test top-1")
    for report in sorted(reports, key=lambda one: -one["top1"]):
        table.add_row(report["name"], f"{report['macs'] / 1e6:.2f}", f"{report['top1']:.2f}")
    console = Console()
    console.print(table)
    random = np.array([report["top1"] for report in reports if report["name"].startswith("random")])
    console.print(f"random networks: mean {random.mean():.2f}, deviation {random.std():.2f}, best {random.max():.2f}")


if __name__ == "__main__":
    main()
