"""Compress trained networks on CIFAR-10 and compare with uniform scaling and narrower networks.

    python benchmarks/compress.py -o runs/compress
    python benchmarks/compress.py --smoke -o runs/compress-smoke

A network is trained. At 60% and 40% of its multiply-accumulates, each with the same epochs of
fine-tuning, it is set against uniform scaling (all widths by one ratio, the channels of the same
importance) and against that uniformly narrower network trained from scratch for the same epochs.
With `--latency`, limits of 70% and 50% of the original's measured latency follow, next to the
network of the same latency that a limit of multiply-accumulates finds, and the errors of the
latency's estimate on 30 networks that were not measured for it.

Each result is a line of OUTPUT/results.jsonl; an interrupted run continues. Data: `packed_cifar.py`
in this folder documents where the images are searched for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from compress_networks import NETWORKS
from torch import nn

from oneshot.compression.choosing import uniform_network
from oneshot.compression.compression import Compression
from oneshot.compression.costs import MeasuredDevice, time_networks
from oneshot.compression.scoring import training_losses
from oneshot.compression.settings import FINE_TUNING, CompressionSettings
from oneshot.compression.training import Distillation
from oneshot.data.images import ImageData
from oneshot.data.registry import load
from oneshot.evaluation.evaluator import quality
from oneshot.evaluation.recalibration import recalibrate
from oneshot.retraining.network_training import plain_batches
from oneshot.search.constraint import Limit
from oneshot.tasks.registry import make_task
from oneshot.training.algorithm import Algorithm
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from profiler.backends.base import Conditions
from profiler.backends.registry import make_backend
from spaces.elastic import ElasticSpace, from_network
from spaces.elastic.sampling import sample_sizes
from spaces.files import JsonLines
from spaces.plugins import load_file
from spaces.registry import SPACES
from spaces.space import Codes

FULL = {"images": 27_000, "epochs": 12, "tuning": 3, "measured": 80}
SMOKE = {"images": 1500, "epochs": 2, "tuning": 1, "scored": 24, "measured": 24}
SIDE = 16
CPU = Execution(accelerator="cpu", checkpoint_every=100)
UNSEEN = 30


class Study:
    """One network with one seed.

    Args:
        name: Name of the network.
        seed: Seed of its weights and of everything else.
        sizes: Number of images, epochs and networks.
        data: CIFAR-10.
        folder: Folder of the results.
        results: File of the results.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        sizes: dict[str, int],
        data: ImageData,
        folder: Path,
        results: JsonLines,
    ):
        self.name = name
        self.seed = seed
        self.sizes = sizes
        self.data = data
        self.folder = folder / f"{name}-{seed}"
        self.results = results
        self.task = make_task("classification")
        self.recipe = NETWORKS[name].recipe
        self.space = self._space()

    def _space(self) -> ElasticSpace:
        torch.manual_seed(self.seed)
        network = NETWORKS[self.name].build()
        path = self.folder / "original.pt"
        if path.exists():
            network.load_state_dict(torch.load(path, weights_only=True))
        else:
            recipe = replace(self.recipe, epochs=self.sizes["epochs"])
            self._fit(Algorithm(network, recipe), "original")
            torch.save(network.state_dict(), path)

        losses = training_losses(self.data, self.task, 1024, self.seed)
        space = from_network(
            network, torch.zeros(1, 3, SIDE, SIDE), f"elastic-{self.name}", losses=losses
        )
        SPACES.add(space.name, lambda name, /: space)
        return space

    def _fit(self, algorithm: Algorithm, name: str) -> None:
        folder = self.folder / name
        fit(algorithm, self.data.train, folder, seed=self.seed, augment=True, execution=CPU)

    def record(self, method: str, limit: str, make: Callable[[], dict[str, Any]]) -> None:
        """Write the result of a method, unless the file has it."""
        key = {"network": self.name, "seed": self.seed, "method": method, "limit": limit}
        for _, line in self.results.lines():
            value = json.loads(line)
            if all(value[name] == item for name, item in key.items()):
                return
        begin, processor = time.monotonic(), time.process_time()
        value = make()
        value["seconds"] = round(time.monotonic() - begin, 1)
        value["processor_seconds"] = round(time.process_time() - processor, 1)
        self.results.append(json.dumps({**key, **value}))
        click.echo(json.dumps({**key, **value}))

    def original(self) -> dict[str, Any]:
        """The original network."""
        return self._measured(self.space.network(self.space.original), self.space.original)

    def _measured(self, network: nn.Module, architecture: Any) -> dict[str, Any]:
        return {
            "top1": round(quality(network, self.data.test)["top1"], 2),
            "macs": self.space.macs(architecture),
            "params": self.space.params(architecture),
        }

    def compressed(self, limit: str) -> dict[str, Any]:
        """The network that a compression finds."""
        device = "latency" in limit
        settings = self.settings
        folder = self.folder / limit.partition("@")[0].replace("<=", "-")
        folder.mkdir(parents=True, exist_ok=True)
        backend = make_backend("onnxruntime", Conditions("cpu")) if device else None
        conditions = {"backend": "onnxruntime", "batch": 1, "threads": 1}
        result = Compression(
            self.space,
            self.data,
            self.task,
            [Limit.parse(limit)],
            1.64,
            backend,
            conditions,
            folder,
            settings,
        ).run()
        return {
            "top1": round(result.compressed.test["top1"], 2),
            "macs": result.compressed.macs,
            "params": result.compressed.params,
            "estimate_ms": result.compressed.estimate_ms,
            "measured_ms": result.compressed.measured_ms,
            "sigma_ms": result.sigma_ms,
            "cross_validated_error": result.mape,
            "kendall": result.kendall,
            "scored": result.scored,
            "steps": result.seconds,
        }

    @property
    def settings(self) -> CompressionSettings:
        """Settings of compressions."""
        recipe = replace(FINE_TUNING, optimizer=self.recipe.optimizer)
        if recipe.optimizer == "adamw":
            recipe = replace(recipe, learning_rate=3e-4, nesterov=False)
        return CompressionSettings(
            measured=self.sizes["measured"],
            scored=self.sizes.get("scored"),
            images=min(1000, self.sizes["images"] // 10),
            epochs=self.sizes["tuning"],
            recipe=recipe,
            seed=self.seed,
        )

    def uniform(self, limit: str, from_scratch: bool) -> dict[str, Any]:
        """Uniform scaling, with the weights of the important channels or with random ones."""
        constraint = Limit.parse(limit).bind(self.space, lambda name: None)  # type: ignore[arg-type]
        architecture = self.space.decode(uniform_network(self.space, [constraint]))[0]
        network = self.space.network(architecture)
        if from_scratch:
            torch.manual_seed(self.seed)
            for module in network.modules():
                if hasattr(module, "reset_parameters"):
                    module.reset_parameters()
            recipe = replace(self.recipe, epochs=self.sizes["tuning"])
            self._fit(Algorithm(network, recipe), f"scratch-{limit}")
        else:
            settings = self.settings
            recipe = replace(settings.recipe, epochs=settings.epochs)
            teacher = self.space.network(self.space.original)
            algorithm = Distillation(network, teacher, recipe, settings.distillation)
            self._fit(algorithm, f"uniform-{limit}")
        batches = plain_batches(self.data.train, 250, 200, self.seed, torch.device("cpu"))
        recalibrate(network, batches, task=self.task)
        return self._measured(network, architecture)

    def latencies(self) -> dict[str, Any]:
        """The errors of the latency's estimate on networks that were not measured for it."""
        from oneshot.compression.costs import measure_sample

        backend = make_backend("onnxruntime", Conditions("cpu"))
        conditions = {"backend": "onnxruntime", "batch": 1, "threads": 1}
        batches = measure_sample(
            self.space,
            backend,
            self.folder / "latencies.jsonl",
            conditions,
            count=self.sizes["measured"],
            rounds=4,
            seed=self.seed,
        )
        device = MeasuredDevice("cpu", batches)
        model, _, _ = device.fit(self.space)
        unseen: Codes = sample_sizes(self.space, np.random.default_rng(100 + self.seed), UNSEEN)
        times = time_networks(self.space, backend, unseen, threads=1, rounds=8, seed=self.seed)
        reference_ms = float(np.median([batch.reference_ms for batch in batches]))
        measured = np.median(times.ratios, axis=1) * reference_ms
        errors = np.abs(model.estimate(unseen) / measured - 1)
        original = float(model.estimate([self.space.original])[0])
        return {
            "original_ms": original,
            "networks": len(unseen),
            "mape": round(float(errors.mean()), 4),
            "largest": round(float(errors.max()), 4),
            "sigma_ms": model.sigma,
        }


@click.command()
@click.option("--smoke", is_flag=True, help="Few images and epochs.")
@click.option("--network", "names", multiple=True, default=("resnet",), show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True)
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
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(
    smoke: bool,
    names: tuple[str, ...],
    seeds: int,
    latency: bool,
    output: Path,
    **changes: int | None,
) -> None:
    """Compare compressions with uniform scaling and with networks trained from scratch."""
    torch.set_num_threads(1)
    sizes = {**(SMOKE if smoke else FULL)}
    sizes |= {name: value for name, value in changes.items() if value is not None}
    output.mkdir(parents=True, exist_ok=True)
    load_file(Path(__file__).with_name("packed_cifar.py"))
    data = load("packed-cifar10", (3, SIDE, SIDE), limit=sizes["images"])
    results = JsonLines(output / "results.jsonl")
    for name in names:
        for seed in range(seeds):
            study = Study(name, seed, sizes, data, output, results)
            study.record("original", "", study.original)
            _count_limits(study)
            if latency:
                _latency_limits(study)


def _count_limits(study: Study) -> None:
    macs = study.space.macs(study.space.original)
    for fraction in (0.6, 0.4):
        limit = f"macs<={int(fraction * macs)}"
        study.record("compress", limit, lambda limit=limit: study.compressed(limit))
        study.record("uniform", limit, lambda limit=limit: study.uniform(limit, False))
        study.record("scratch", limit, lambda limit=limit: study.uniform(limit, True))


def _latency_limits(study: Study) -> None:
    study.record("estimate", "", study.latencies)
    lines = [json.loads(line) for _, line in study.results.lines()]
    key = {"network": study.name, "seed": study.seed, "method": "estimate"}
    estimate = next(line for line in lines if all(line[name] == item for name, item in key.items()))
    for fraction in (0.7, 0.5):
        limit = f"latency_ms<={fraction * estimate['original_ms']:.5f}@cpu"
        study.record("compress", limit, lambda limit=limit: study.compressed(limit))


if __name__ == "__main__":
    main()
