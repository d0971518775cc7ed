"""The job kind `search`: find the best networks of a space under constraints."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import predictor
from oneshot.search.guide import (
    BenchmarkGuide,
    Guide,
    LowerBoundGuide,
    PredictorGuide,
    scored_metric,
)
from oneshot.search.guide_registry import guide_named
from oneshot.search.loop import run_search
from oneshot.search.problem import SearchProblem
from oneshot.tasks.registry import DEFAULT, with_task
from service.admission.problem import bind_problem
from service.admission.tasks import SearchTask
from service.catalog.files import ChangedFile, FileReference
from service.jobs import JsonObject
from service.kinds.base import Context, HandedOver, Outcome
from service.kinds.finalists import comparison
from service.kinds.verification import measured_files, searched_before, verified
from spaces.errors import PathfitError
from spaces.files import digest
from spaces.registry import get
from spaces.space import SearchSpace
from tables.benchmarks.registry import benchmark
from tables.metrics import known_metric

if TYPE_CHECKING:
    from oneshot.evaluation.work import SupernetEvaluation
    from oneshot.run import Run
    from oneshot.search.result import SearchResult
    from predictor.base import Predictor

RESULT = "result.json"
"""Name of the artifact that has all candidates."""

# Sub-networks of a supernet that are evaluated between two checks whether the job was cancelled.
_SUPERNET_CHUNK = 25


class InvalidTask(PathfitError):
    """A task that names no guide."""


@dataclass(frozen=True)
class SearchProgress:
    """Progress of a search.

    Args:
        evaluated: Networks so far.
        planned: Networks at most.
        best: Greatest score so far.
        metric: Description of the metric that the scores are of; None if they are of several.
        finalists: `share` and `state` of the trainings of the finalists; None before they begin.
    """

    evaluated: int
    planned: int
    best: float
    metric: JsonObject | None = None
    finalists: JsonObject | None = None

    def to_dict(self) -> JsonObject:
        """Return the JSON object that the API answers."""
        return asdict(self)


class _Reporter:
    """Reports the progress of a search, and then that of its finalists.

    Args:
        context: Surroundings of the attempt.
        metric: Description of the metric that the scores are of; None if they are of several.
    """

    def __init__(self, context: Context, metric: JsonObject | None):
        self._context = context
        self._latest = SearchProgress(0, 0, 0.0, metric)

    def searched(self, evaluated: int, planned: int, best: float) -> None:
        """Report networks that were evaluated."""
        self._latest = replace(self._latest, evaluated=evaluated, planned=planned, best=best)
        self._context.progress(self._latest)

    def trained(self, fraction: float, state: str) -> None:
        """Report trainings of finalists."""
        share = {"share": fraction, "state": state}
        self._context.progress(replace(self._latest, finalists=share))


class Search:
    """The job kind `search`."""

    def run(self, task: Mapping[str, Any], context: Context) -> Outcome | HandedOver:
        """Run a `SearchTask`; only the artifact has all candidates, which may be many."""
        search = _on_this_machine(SearchTask.from_dict(task), context)

        result = None if search.verify is None else searched_before(context)
        if result is None:
            result = self._searched(search, context)
        if search.verify is not None:
            verification = verified(result, search, context)
            if isinstance(verification, HandedOver):
                return verification
            result = verification

        value = result.to_dict(search.count)
        verdict = _verdict(result)
        if verdict is not None:
            value["verdict"] = verdict
        files = measured_files(context) if search.verify is not None else {}
        if files:
            value["files"] = list(files)
        # Before the candidates are removed from the answer: the artifact has all of them.
        text = json.dumps(value, allow_nan=False) + "\n"
        del value["candidates"]

        return Outcome(value, {RESULT: text.encode(), **files})

    def _searched(self, search: SearchTask, context: Context) -> SearchResult:
        # Results are reproducible to the last digit only with the same number of threads.
        torch.set_num_threads(search.threads)
        problem = problem_of(search)
        reporter = _Reporter(context, scored_metric(problem.guide.to_dict()))
        # A data set that cannot be loaded ends the job before the search, not after it.
        compared = comparison(search, problem, context, reporter.trained)

        result = run_search(
            problem,
            search.strategy,
            options=search.options,
            seed=search.seed,
            progress=reporter.searched,
            chunk=_SUPERNET_CHUNK if search.supernet is not None else None,
        )
        return compared(result)


def _on_this_machine(task: SearchTask, context: Context) -> SearchTask:
    return replace(
        task,
        table=task.table and context.localize(task.table),
        predictor=task.predictor and context.localize(task.predictor),
    )


def problem_of(task: SearchTask) -> SearchProblem:
    """Build the problem of a task.

    Raises:
        ChangedFile: The content of a file has changed since the task was accepted.
        PathfitError: A file cannot be read.
    """
    # Checked when it runs as well: the file may have changed while the job was queued.
    if task.table is not None:
        task.table.checked()
    if task.device is not None:
        recorded = benchmark(task.device.benchmark)
        _check_files(recorded.name, recorded.files, task.device.files)
    return bind_problem(task, _guide(task, get(task.space)))


def _guide(task: SearchTask, space: SearchSpace) -> Guide:
    if task.predictor is not None:
        task.predictor.checked()
        guide_type = LowerBoundGuide if task.lower_bound else PredictorGuide
        return guide_type(_load_predictor(task.predictor), task.predictor.name)

    if task.supernet is not None:
        folder = task.supernet.checked().parent
        return guide_named(
            f"supernet:{folder}",
            space,
            lambda run: _evaluation(run, task.under),
            name=task.supernet.name,
            rank_by=task.rank_by,
        )

    if task.benchmark is not None:
        guide = guide_named(f"benchmark:{task.benchmark}", space)
        assert isinstance(guide, BenchmarkGuide)
        _check_benchmark(guide, task)
        return guide

    raise InvalidTask("the search has no guide: expected a predictor, a supernet or a benchmark")


def _verdict(result: SearchResult) -> JsonObject | None:
    """Judge the scores of the candidates where a benchmark of the space has their accuracies."""
    from predictor.verdict.benchmark import benchmark_name, judge_candidates

    kind = result.guide.get("kind")
    metric = result.guide.get("metric")
    # A benchmark's own scores are the truth, and it has no truth of other tasks.
    is_own_task = metric is not None and known_metric(metric) is None
    if kind == "benchmark" or is_own_task or with_task(result.guide)["task"] != DEFAULT:
        return None
    name = benchmark_name(get(result.space))
    if name is None:
        return None
    return judge_candidates(result.scores, result.codes, benchmark(name), f"this {kind}")


def _evaluation(run: Run, under: Sequence[str]) -> SupernetEvaluation:
    from oneshot.evaluation.settings import EvaluationSettings
    from oneshot.evaluation.work import SupernetEvaluation

    return SupernetEvaluation(run, EvaluationSettings(), under=tuple(under))


def _check_benchmark(guide: BenchmarkGuide, task: SearchTask) -> None:
    _check_files(guide.benchmark.name, guide.benchmark.files, task.benchmark_files)


def _check_files(name: str, files: Sequence[Path], accepted: Sequence[FileReference]) -> None:
    """Raise ChangedFile where the files of a benchmark are not those of an accepted search."""
    # Compared by content only: another machine may store the files in other folders.
    if [digest(path) for path in files] != [file.sha256 for file in accepted]:
        raise ChangedFile(
            f"the files of the benchmark {name!r} are not those that this search was accepted with"
        )


# Cached between jobs: loading a predictor takes longer than many searches.
@functools.lru_cache(maxsize=8)
def _load_predictor(reference: FileReference) -> Predictor:
    return predictor.load(Path(reference.path))


def warm_up() -> None:
    """Import the modules that a search needs."""
    # The exports of `predictor` are lazy: naming them imports the modules that loading needs.
    for name in ("load", "GraphPredictor"):
        getattr(predictor, name)
