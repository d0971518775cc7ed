"""Supernets, searches and retrainings of `found_vs_random.py`, each stored in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn
from truth_pipeline import PipelineSettings, run_stages

import predictor
from oneshot.algorithms.training import train_supernet
from oneshot.data.images import ImageData
from oneshot.data.registry import load as load_data
from oneshot.evaluation.evaluator import BATCH, Evaluator
from oneshot.evaluation.images import sample_rows
from oneshot.evaluation.ranking import Ranking
from oneshot.evaluation.settings import EvaluationSettings
from oneshot.evaluation.tallies import tally_of
from oneshot.perturbations import Conditions
from oneshot.retraining.network_training import device_of, train_network
from oneshot.retraining.options import RetrainOptions
from oneshot.retraining.report import report_on_test
from oneshot.retraining.short_settings import ShortTrainingSettings
from oneshot.retraining.short_training import ShortTraining
from oneshot.run import Run, begin
from oneshot.run_settings import RunSettings
from oneshot.search.constraint import Constraint
from oneshot.search.finalists import compare_finalists
from oneshot.search.guide import Guide, PredictorGuide
from oneshot.search.loop import run_search
from oneshot.search.problem import SearchProblem
from oneshot.search.training_guide import ShortTrainingOptions, TrainingGuide
from oneshot.tasks import Classification
from oneshot.training.execution import Execution
from oneshot.training.recipe import Recipe
from spaces import __version__
from spaces.architecture import Architecture
from spaces.codes import distinct
from spaces.console.progress import Bar
from spaces.files import write_text
from spaces.plugins.loading import loaded_files
from spaces.progress import Progress
from spaces.registry import get
from spaces.space import Codes, SearchSpace
from tables import LookupTable
from tables.cost.model import counting_model


@dataclass(frozen=True)
class Setting:
    """How much is done.

    Args:
        space: that is searched.
        validation: images cut from the training part.
        ranking: how many of them the supernets rank by; the rest are for choosing a setting.
        supernet: recipe of the supernets; empty where proxies vote.
        network: recipe of all networks.
        evolution: options of the search.
        recalibration: batches of 128 training images for each evaluated network.
        augment: whether training images are varied.
        strategy: of the search.
        votes: proxies that vote in place of a supernet; None: a supernet scores.
        cost: count that is limited: `macs` or `binary_macs`.
        finalists: networks of a search that are trained briefly before one is found; 0: the best
            by the guide is found.
        brief: settings of these trainings.
        under: `supernet`, `search` or `network` -> its perturbations with their weights.
    """

    space: str
    validation: int
    ranking: int
    supernet: Mapping[str, Any]
    network: Mapping[str, Any]
    evolution: Mapping[str, Any]
    recalibration: int
    augment: bool
    strategy: str = "evolution"
    votes: PipelineSettings | None = None
    cost: str = "macs"
    finalists: int = 0
    brief: ShortTrainingSettings = field(default_factory=ShortTrainingSettings)
    under: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def conditions(self, stage: str) -> Conditions | None:
        """Perturbations of a stage; None: none."""
        texts = self.under.get(stage, ())
        return Conditions.parse(texts) if texts else None

    def times(self, effort: float) -> Setting:
        """The setting with so many times the updates."""
        supernet, network = (
            {**recipe, "steps": max(1, round(recipe["steps"] * effort))} if recipe else {}
            for recipe in (self.supernet, self.network)
        )
        return replace(self, supernet=supernet, network=network)


class SupernetLoss:
    """A guide: negative cross-entropies by a supernet on a part of the images, which no run's
    record can give again; under conditions their weighted sums.

    Args:
        evaluator: of the supernet.
        run: of its training.
    """

    def __init__(self, evaluator: Evaluator, run: Run):
        self.evaluator = evaluator
        self.run = run

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores [n] of codes [n, choices], without deviation."""
        ranking = Ranking.under("cross_entropy", Classification.metrics, self.evaluator.conditions)
        scores = [ranking.score(metrics) for metrics in self.evaluator.evaluate_many(codes)]
        return np.array(scores), np.zeros(len(codes))

    def to_dict(self) -> dict[str, Any]:
        """The guide's kind and name."""
        return {"kind": "supernet", "name": str(self.run.folder)}


class Trial:
    """The steps of the comparison, each kept in a folder.

    Args:
        setting: how much is done.
        data: name of the data set.
        part: `test`, or `validation`: the images of that part that no supernet ranks by.
        execution: devices and precision.
        seed: of everything.
        output: the folder.
        table: of the latencies that are limited; None: the setting's count is.
    """

    def __init__(
        self,
        setting: Setting,
        data: str,
        part: str,
        execution: Execution,
        seed: int,
        output: Path,
        table: LookupTable | None = None,
    ):
        self.setting = setting
        self.part = part
        self.execution = execution
        self.seed = seed
        self.output = output
        self.space: SearchSpace = get(setting.space)
        self.data: ImageData = load_data(
            data, self.space.input_shape, validation=setting.validation
        )
        self.cost = (
            counting_model(self.space, setting.cost)
            if table is None
            else table.cost_model(self.space, "latency_ms")
        )
        sampled = self.space.sample(np.random.default_rng(seed), 4096)
        median = float(np.median(self.cost.estimate(sampled)))
        self.constraint = Constraint(self.cost.metric, median, self.cost, device=self.cost.device)

    def supernet(self, number: int) -> SupernetLoss:
        """The supernet with this number, trained, as a guide."""
        augmentation = {"augment": self.setting.augment, "colour_jitter": 0.0}
        seed = self.seed + 1000 + number
        run = self._run(
            f"supernet-{number}", "supernet", self.setting.supernet, seed, augmentation=augmentation
        )
        with Bar(f"supernet {number}") as bar:
            supernet = train_supernet(run, bar.update, self.execution, self.data)
        settings = EvaluationSettings(
            images=self.setting.ranking,
            recalibration_batches=self.setting.recalibration,
            precision=self.execution.precision,
        )
        evaluator = Evaluator(
            supernet,
            self.data,
            settings,
            conditions=self.setting.conditions("search"),
            device=self.execution.accelerator,
        )
        return SupernetLoss(evaluator, run)

    def votes(self, number: int, settings: PipelineSettings) -> PredictorGuide:
        """The vote of the proxies with this number, as a guide; by the commands of a user."""
        folder = self.output / f"votes-{number}"
        name = self.setting.space
        run_stages(folder.resolve(), name, name, self.seed + 1000 + number, settings)
        return PredictorGuide(predictor.load(folder / "predictor.safetensors"), folder.name)

    def guide(self, number: int) -> Guide:
        """The guide with this number."""
        votes = self.setting.votes
        return self.supernet(number) if votes is None else self.votes(number, votes)

    def found(self, number: int) -> Architecture:
        """The best network that a search finds by the guide with this number."""
        path = self.output / f"search-{number}.json"
        if not path.exists():
            # Cells that compute the same function are one.
            problem = SearchProblem(
                self.space, self.guide(number), [self.constraint], isomorphic=True
            )
            with Bar(f"search {number}") as bar:
                result = run_search(
                    problem,
                    self.setting.strategy,
                    options=self.setting.evolution,
                    seed=self.seed + number,
                    progress=lambda done, planned, best: bar.update(
                        done / planned, f"{done}/{planned}, {best:.4f}"
                    ),
                )
            if self.setting.finalists:
                with Bar(f"finalists {number}") as bar:
                    guide = self.training_guide(number, bar.update)
                    result = compare_finalists(problem, result, guide, self.setting.finalists)
            result.save(path, count=max(1, self.setting.finalists))
        return Architecture.from_dict(json.loads(path.read_text())["best"][0]["architecture"])

    def training_guide(self, number: int, progress: Progress) -> TrainingGuide:
        """Brief trainings of the finalists with this number, scored by images that supernets rank
        by.
        """
        data = dict(self.data.record())
        folder = (self.output / f"finalists-{number}").resolve()
        name, task = self.space.name, Classification()
        training = ShortTraining(
            folder, name, "classification", data, self.setting.brief, plugins=loaded_files()
        )
        source = {"kind": "training", "data": data["name"], **self.setting.brief.to_dict()}
        options = ShortTrainingOptions(folder, self.setting.brief, workers=1, progress=progress)
        return TrainingGuide(training, self.space, task, source, options)

    def random(self, count: int, least: float = 0.95) -> list[Architecture]:
        """Random networks that meet the constraint and use at least the share `least` of it."""
        rng = np.random.default_rng([self.seed, 7])
        codes = distinct(self.space.sample(rng, 1000 * count))
        used = self.constraint.upper(codes) / self.constraint.maximum
        return self.space.decode(codes[(used >= least) & (used <= 1)][:count])

    def retrained(self, architecture: Architecture, name: str, seed: int) -> dict[str, Any]:
        """The report of a network that is trained from fresh weights."""
        options = RetrainOptions(
            augment=self.setting.augment, norm_batches=self.setting.recalibration
        )
        more = {"architecture": architecture.to_dict(), "retraining": options.to_dict()}
        run = self._run(name, "network", self.setting.network, seed, **more)
        path = run.folder / f"{self.part}.json"
        if not path.exists():
            with Bar(name) as bar:
                network = train_network(run, bar.update, self.execution, self.data)
            codes = self.space.encode([architecture])
            entry = {"name": name, "codes": codes[0].tolist()}
            entry[self.cost.metric] = float(self.cost.estimate(codes)[0])
            write_text(path, json.dumps({**entry, **self._report(network)}, indent=1) + "\n")
        report = json.loads(path.read_text())
        assert isinstance(report, dict)
        return report

    def _report(self, network: nn.Module) -> dict[str, Any]:
        device = device_of(self.execution)
        if self.part == "test":
            # Tested under what the search ranks by, however the network was trained.
            conditions = self.setting.conditions("search")
            return report_on_test(network, self.data, device, conditions=conditions)
        validation = self.data.validation
        count = len(validation)
        remaining = np.sort(
            sample_rows(count, count, EvaluationSettings.seed)[self.setting.ranking :]
        )
        network.to(device).eval()
        tally = tally_of(network, validation.batches(BATCH, remaining), device)
        return {**tally.metrics(), "images": len(remaining), "split": "validation"}

    def _run(
        self, folder: str, kind: str, recipe: Mapping[str, Any], seed: int, **more: Any
    ) -> Run:
        settings = RunSettings.from_dict(
            {
                "kind": kind,
                "space": self.space.name,
                "data": self.data.record(),
                "recipe": Recipe(**recipe).to_dict(),
                "seed": seed,
                "execution": self.execution.to_dict(),
                "version": __version__,
                "command": "benchmarks/found_vs_random.py",
                "under": list(self.setting.under.get(kind, ())),
                **more,
            }
        )
        return begin(self.output / folder, settings, resume=True)
