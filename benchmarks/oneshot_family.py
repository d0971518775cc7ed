"""Compare the networks that one-shot algorithms find in a space with random ones.

    python benchmarks/oneshot_family.py --scale smoke -o runs/oneshot-family-smoke
    python benchmarks/oneshot_family.py --scale small --algorithm ofa -o runs/oneshot-family-small
    python benchmarks/oneshot_family.py --device gpu --precision bf16 -o runs/oneshot-family

Each algorithm searches a supernet on CIFAR-10 images: Once-for-All the elastic one of a scaled
ofa-mobilenetv3, the others that of a scaled space of SPOS. The networks that it returns and random
networks of the same space are trained in the same way from new weights, each by its own seed, and
tested. Networks differ in size, so the report has their MACs and accuracies. For Once-for-All,
whose product is the supernet, all of them are also tested with the supernet's weights. The same
command resumes after an interruption.

Data: `packed_cifar.py` in this folder documents where the images are searched for.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np
from machine import comparison_options, prepare
from oneshot_nasbench201 import ALGORITHMS, OPTIONS, searched
from rich.console import Console
from rich.table import Table
from torch import nn

from oneshot.data.images import ImageData
from oneshot.data.registry import load as load_data
from oneshot.evaluation.recalibration import recalibrate
from oneshot.retraining.network_training import device_of, train_network
from oneshot.retraining.options import RetrainOptions
from oneshot.retraining.report import report_on_test
from oneshot.retraining.supernet_weights import inherit
from oneshot.run import begin
from oneshot.run_settings import Initialisation, RunSettings
from oneshot.training.execution import Execution
from oneshot.training.recipe import Recipe
from spaces import __version__
from spaces.architecture import Architecture
from spaces.console.progress import Bar
from spaces.files import write_text
from spaces.modules.supernet import Supernet
from spaces.registry import get

OFA = {"preset": "tiny", "selection": 24, "selection_batches": 8}
"""Options of Once-for-All for some hundred updates."""

_RECALIBRATED = 20  # batches behind which the statistics of a sub-network are its own


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Args:
        space: that is searched.
        elastic: that Once-for-All searches.
        images: most images of each part.
        validation: training images that are held out for the architecture.
        epochs: of a search.
        network: recipe of the networks.
        augment: whether the networks' images are varied.
    """

    space: str
    elastic: str
    images: int
    validation: int
    epochs: int
    network: Recipe
    augment: bool


SCALES = {
    "smoke": Scale(
        "spos(input_size=16, stem_stride=1, repeats=(1, 2, 1), channels=(16, 32, 64),"
        " stem_channels=8, head_channels=64, num_classes=10)",
        "ofa-mobilenetv3(resolutions=(32,), depths=(1, 2), width=0.25, num_classes=10)",
        images=2000,
        validation=800,
        epochs=3,
        network=Recipe(epochs=3, batch_size=64, learning_rate=0.1, schedule="cosine"),
        augment=False,
    ),
    "small": Scale(
        "spos(input_size=16, stem_stride=1, repeats=(2, 3, 2), channels=(16, 32, 64),"
        " stem_channels=8, head_channels=128, num_classes=10)",
        "ofa-mobilenetv3(resolutions=(32,), depths=(1, 2, 3), width=0.25, num_classes=10)",
        images=8000,
        validation=4000,
        epochs=8,
        network=Recipe(epochs=5, batch_size=64, learning_rate=0.1, schedule="cosine"),
        augment=False,
    ),
    "full": Scale(
        "spos(input_size=32, stem_stride=1, repeats=(3, 3, 4), channels=(64, 128, 256),"
        " head_channels=512, num_classes=10)",
        "ofa-mobilenetv3(resolutions=(64, 96), num_classes=10)",
        images=50_000,
        validation=10_000,
        epochs=50,
        network=Recipe(
            epochs=60, batch_size=256, learning_rate=0.1, schedule="cosine", weight_decay=5e-4
        ),
        augment=True,
    ),
}


@click.command()
@click.option(
    "--scale",
    "size",
    type=click.Choice(tuple(SCALES)),
    default="full",
    show_default=True,
    help=(
        "smoke: some minutes of a core; small: some minutes of a core for each algorithm; full: for"
        " a GPU."
    ),
)
@click.option(
    "--algorithm",
    "names",
    type=click.Choice((*ALGORITHMS, "ofa")),
    multiple=True,
    help="Default: all.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@comparison_options
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(
    names: tuple[str, ...],
    size: str,
    num_random: int,
    seed: int,
    data: str,
    output: Path,
    **options: Any,
) -> None:
    """Search by each algorithm, and train and compare the found networks and random ones."""
    execution = prepare(options)
    scale = SCALES[size]
    selected = names or (*ALGORITHMS, "ofa")
    for kind, space_name, algorithm_names in (
        ("", scale.space, [name for name in selected if name != "ofa"]),
        ("elastic-", scale.elastic, [name for name in selected if name == "ofa"]),
    ):
        if not algorithm_names:
            continue
        space = get(space_name)
        images = load_data(data, space.input_shape, limit=scale.images, validation=scale.validation)
        random = space.decode(space.sample(np.random.default_rng([seed, 7]), num_random))
        networks = [
            (f"{kind}random-{number}", architecture) for number, architecture in enumerate(random)
        ]
        inherited: dict[str, float] = {}
        for name in algorithm_names:
            algorithm_options = (
                OFA if name == "ofa" and size != "full" else OPTIONS[size].get(name, {})
            )
            folder = output / f"search-{name}"
            result, model, _ = searched(
                space, name, algorithm_options, images, scale.epochs, seed, folder, execution
            )
            write_text(output / f"{name}.json", result.to_json() + "\n")
            networks.append((name, result))
            if isinstance(model, Supernet) and name == "ofa":
                inherited = {
                    label: with_weights_of(model, network, images, seed)
                    for label, network in networks
                }
        reports = [
            retrained(scale, architecture, name, seed + number, images, execution, output)
            for number, (name, architecture) in enumerate(networks)
        ]
        reports = [
            {**report, "inherited_top1": inherited.get(report["name"])} for report in reports
        ]
        write_text(output / f"{kind}comparison.json", json.dumps(reports, indent=1) + "\n")
        show(space_name, reports)


def with_weights_of(
    supernet: Supernet, architecture: Architecture, data: ImageData, seed: int
) -> float:
    """Return the test top-1 of a sub-network with the supernet's weights.

    The statistics of its normalisations are recomputed.
    """
    network: nn.Module = supernet.space.network(architecture, num_classes=data.num_classes)
    inherit(network, supernet, architecture)
    batches = data.train.epochs(64, seed)
    recalibrate(network, (images for images, _ in islice(batches, _RECALIBRATED)))
    return float(report_on_test(network, data)["top1"])


def retrained(
    scale: Scale,
    architecture: Architecture,
    name: str,
    seed: int,
    data: ImageData,
    execution: Execution,
    output: Path,
    init: Initialisation | None = None,
) -> dict[str, Any]:
    """The test report of a network that is trained, from new weights without `init`."""
    space = get(architecture.space)
    settings = RunSettings.from_dict(
        {
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
            "init": None if init is None else asdict(init),
        }
    )
    run = begin(output / f"network-{name}", settings, resume=True)
    path = run.folder / "test.json"
    if not path.exists():
        with Bar(name) as bar:
            network = train_network(run, bar.update, execution, data)
        report = report_on_test(network, data, device_of(execution))
        description = {"name": name, "macs": int(space.macs(architecture))}
        write_text(path, json.dumps({**description, **report}, indent=1) + "\n")
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def show(space: str, reports: list[dict[str, Any]]) -> None:
    """Print all networks, and the mean and the best of the random ones."""
    table = Table("network", "M MACs", "test top-1", "with the supernet's weights", title=space)
    for report in sorted(reports, key=lambda entry: -entry["top1"]):
        inherited_accuracy = report["inherited_top1"]
        cells = (
            f"{report['macs'] / 1e6:.2f}",
            f"{report['top1']:.2f}",
            "" if inherited_accuracy is None else f"{inherited_accuracy:.2f}",
        )
        table.add_row(report["name"], *cells)
    console = Console()
    console.print(table)
    for key, word in (("top1", "trained alike"), ("inherited_top1", "with the supernet's weights")):
        random = np.array(
            [
                entry[key]
                for entry in reports
                if "random" in entry["name"] and entry[key] is not None
            ]
        )
        if len(random):
            console.print(
                f"random networks, {word}: mean {random.mean():.2f}, deviation {random.std():.2f}, "
                f"best {random.max():.2f}"
            )


if __name__ == "__main__":
    main()
