"""One network of `compress.py` with one seed: trained, compressed, and cut by other methods."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from compress_networks import NETWORKS
from compress_pruned import Refused, fastnas_network
from torch import nn

import predictor
from oneshot.compression.choosing import choose_network, sample_near, uniform_network
from oneshot.compression.compression import Compression
from oneshot.compression.costs import METRIC, MeasuredDevice, measure_sample, time_networks
from oneshot.compression.planning import ScorePlan
from oneshot.compression.scoring import Scorer, training_losses
from oneshot.compression.settings import FINE_TUNING, CompressionSettings
from oneshot.compression.sizes import SizedData
from oneshot.compression.training import Distillation
from oneshot.data.images import ImageData
from oneshot.evaluation.evaluator import quality
from oneshot.evaluation.recalibration import recalibrate
from oneshot.retraining.network_training import plain_batches
from oneshot.search.constraint import Limit
from oneshot.search.guide import PredictorGuide
from oneshot.search.loop import run_search
from oneshot.search.problem import SearchProblem
from oneshot.tasks.registry import make_task
from oneshot.training.algorithm import Algorithm
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from profiler.backends.base import Conditions
from profiler.backends.registry import make_backend
from spaces.elastic import ElasticSpace, from_network
from spaces.files import JsonLines
from spaces.registry import SPACES

SIDE = 16
CPU = Execution(accelerator="cpu", checkpoint_every=100)
CONDITIONS = {"backend": "onnxruntime", "batch": 1, "threads": 1}
MARGIN = 1.64

# Halvings of the interval in which a limit of MACs is searched for.
_BISECTIONS = 9


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

    @cached_property
    def space(self) -> ElasticSpace:
        """The space of the trained network."""
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

    def result(self, method: str, limit: str = "") -> dict[str, Any] | None:
        """Return the result of a method that the file has, or None."""
        key = {"network": self.name, "seed": self.seed, "method": method, "limit": limit}
        for _, line in self.results.lines():
            value: dict[str, Any] = json.loads(line)
            if all(value[name] == item for name, item in key.items()):
                return value
        return None

    def record(self, method: str, limit: str, make: Callable[[str], dict[str, Any]]) -> None:
        """Write the result of a method under a limit, unless the file has it."""
        if self.result(method, limit) is not None:
            return
        begin, processor = time.monotonic(), time.process_time()
        value = make(limit)
        value["seconds"] = round(time.monotonic() - begin, 1)
        value["processor_seconds"] = round(time.process_time() - processor, 1)
        key = {"network": self.name, "seed": self.seed, "method": method, "limit": limit}
        self.results.append(json.dumps({**key, **value}))
        click.echo(json.dumps({**key, **value}))

    def original(self, limit: str) -> dict[str, Any]:
        """The original network."""
        return self._tested(self.space.network(self.space.original), self.space.original)

    def original_latency(self, limit: str) -> dict[str, Any]:
        """The original's latency, by which limits of latency are set."""
        codes = self.space.encode([self.space.original])
        backend = make_backend("onnxruntime", Conditions("cpu"))
        times = time_networks(self.space, backend, codes, threads=1, rounds=12, seed=self.seed)
        latency = float(np.median(times.ratios)) * times.reference_ms
        return {"measured_ms": latency}

    def compressed(self, limit: str) -> dict[str, Any]:
        """The network that a compression finds."""
        folder = self._folder_of(limit)
        folder.mkdir(parents=True, exist_ok=True)
        device = "latency" in limit
        result = Compression(
            self.space,
            self.data,
            self.task,
            [Limit.parse(limit)],
            MARGIN,
            make_backend("onnxruntime", Conditions("cpu")) if device else None,
            CONDITIONS,
            folder,
            self.settings,
            announce=click.echo,
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

    def uniform(self, limit: str) -> dict[str, Any]:
        """Uniform scaling, with the weights of the important channels."""
        architecture = self._uniform(limit)
        network = self.space.network(architecture)
        return self._tested(self._tuned(network, f"uniform-{limit}"), architecture)

    def scratch(self, limit: str) -> dict[str, Any]:
        """The uniformly narrower network, trained from scratch."""
        architecture = self._uniform(limit)
        network = self.space.network(architecture)
        torch.manual_seed(self.seed)
        for module in network.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        # The warm-up of a short training is short as well.
        epochs = self.sizes["tuning"]
        updates = epochs * (len(self.data.train) // self.recipe.batch_size)
        warmup = min(self.recipe.warmup, updates // 10)
        recipe = replace(self.recipe, epochs=epochs, warmup=warmup)
        self._fit(Algorithm(network, recipe), f"scratch-{limit}")
        return self._tested(self._recalibrated(network), architecture)

    def fastnas(self, limit: str, python: Path) -> dict[str, Any]:
        """The network that FastNAS finds, fine-tuned as the others are."""
        original = self.space.network(self.space.original)
        macs = self.space.macs(self.space.original)
        try:
            network, seconds = fastnas_network(
                python,
                self.name,
                original,
                self.data,
                self.folder / f"fastnas-{limit}",
                percent=round(100 * Limit.parse(limit).maximum / macs),
                images=self.settings.images,
                seed=self.seed,
            )
        except Refused as error:
            return {"refused": str(error)}

        pruned = from_network(network, torch.zeros(1, 3, SIDE, SIDE))
        as_cut = quality(network, self.data.test)["top1"]
        recalibrated = quality(self._recalibrated(network), self.data.test)["top1"]
        tuned = self._tuned(network, f"fastnas-tuning-{limit}")
        return {
            "top1": round(quality(tuned, self.data.test)["top1"], 2),
            "top1_as_cut": round(as_cut, 2),
            "top1_recalibrated": round(recalibrated, 2),
            "macs": pruned.macs(pruned.original),
            "params": pruned.params(pruned.original),
            **seconds,
        }

    def equal_latency(self, limit: str) -> dict[str, Any]:
        """The network that a limit of MACs finds, of the latency that a compression was limited to.

        The limit of MACs is bisected until the network that a predictor prefers has that latency by
        the same cost model. Sample and scores are those of the compression.
        """
        folder = self._folder_of(limit)
        parsed = Limit.parse(limit)
        device = MeasuredDevice("cpu", self._measured(folder), parsed.maximum)
        bound = parsed.bind(self.space, lambda name: device, MARGIN)
        settings = self.settings
        source = {"supernet_epochs": 0, "data": self.data.title}
        path = folder / "scores.jsonl"
        data = SizedData(self.data, self.space.input_shape)
        scorer = Scorer(self.space, data, self.task, settings, path, source)
        count = settings.scored or ScorePlan.read(folder / "plan.json").scored
        codes = sample_near(self.space, [bound], np.random.default_rng(settings.seed), count)
        model = predictor.default(self.space, settings.seed)
        model.fit(codes, scorer.scores(codes))

        low, high = 0.0, float(self.space.macs(self.space.original))
        for _ in range(_BISECTIONS):
            macs = Limit("macs", (low + high) / 2).bind(self.space, _no_table)
            problem = SearchProblem(self.space, PredictorGuide(model, "compression"), [macs])
            preferred = run_search(problem, seed=settings.seed).best.architecture
            if bound.met(self.space.encode([preferred])).all():
                low = macs.maximum
            else:
                high = macs.maximum

        macs = Limit("macs", low).bind(self.space, _no_table)
        choice = choose_network(self.space, [macs], scorer, settings, codes)
        architecture = self.space.decode(choice.codes[None])[0]
        network = self._tuned(self.space.network(architecture), f"equal-{limit}")
        estimate = float(device.cost_model(self.space, METRIC).estimate([architecture])[0])
        return {**self._tested(network, architecture), "estimate_ms": estimate}

    def _uniform(self, limit: str) -> Any:
        constraint = Limit.parse(limit).bind(self.space, _no_table)
        return self.space.decode(uniform_network(self.space, [constraint]))[0]

    def _tuned(self, network: nn.Module, name: str) -> nn.Module:
        settings = self.settings
        recipe = replace(settings.recipe, epochs=settings.epochs)
        teacher = self.space.network(self.space.original)
        self._fit(Distillation(network, teacher, recipe, settings.distillation), name)
        return self._recalibrated(network)

    def _recalibrated(self, network: nn.Module) -> nn.Module:
        batches = plain_batches(self.data.train, 250, 200, self.seed, torch.device("cpu"))
        recalibrate(network, batches, task=self.task)
        return network

    def _tested(self, network: nn.Module, architecture: Any) -> dict[str, Any]:
        return {
            "top1": round(quality(network, self.data.test)["top1"], 2),
            "macs": self.space.macs(architecture),
            "params": self.space.params(architecture),
        }

    def _fit(self, algorithm: Algorithm, name: str) -> None:
        folder = self.folder / name
        fit(algorithm, self.data.train, folder, seed=self.seed, augment=True, execution=CPU)

    def _measured(self, folder: Path) -> Any:
        settings = self.settings
        return measure_sample(
            self.space,
            make_backend("onnxruntime", Conditions("cpu")),
            folder / "latencies.jsonl",
            CONDITIONS,
            count=settings.measured,
            rounds=settings.rounds,
            seed=self.seed,
        )

    def _folder_of(self, limit: str) -> Path:
        return self.folder / limit.partition("@")[0].replace("<=", "-")


def _no_table(name: str) -> Any:
    raise LookupError(f"a limit of MACs needs no table, such as {name}")
