"""Evaluations of single architectures, stored as JSON lines.

Example:
    >>> from spaces import published
    >>> from tables import evaluation
    >>> journal = evaluation.Journal("evaluations.jsonl", "fbnet")
    >>> journal.append(evaluation.Evaluation(published("fbnet-c"), {"top1": 74.9}))
    >>> evaluation.values(evaluation.read("evaluations.jsonl"), "top1")
    [74.9]
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spaces.architecture import Architecture
from spaces.errors import PathfitError, UnknownName
from spaces.files import JsonLines, read_text
from spaces.formats.json_text import bounded_int
from tables.errors import InvalidEvaluation
from tables.metrics import QUALITIES, Metric, known_metric


@dataclass(frozen=True)
class Evaluation:
    """An architecture with its metrics and their origin.

    Args:
        architecture: The evaluated architecture.
        metrics: Name -> value, such as cross_entropy (nats) and top1 (percent).
        source: Origin of the metrics: `kind` (supernet, benchmark or retraining) and its details.

    Example:
        >>> import spaces
        >>> from tables import Evaluation
        >>> architecture = spaces.get("nasbench201").architecture([3, 3, 3, 1, 3, 2])
        >>> evaluation = Evaluation(architecture, {"top1": 91.5}, {"kind": "retraining"})
        >>> Evaluation.from_json(evaluation.to_json()) == evaluation
        True
    """

    architecture: Architecture
    metrics: Mapping[str, float]
    source: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return one line of JSON, which `from_json` reads."""
        value = {
            "architecture": self.architecture.to_dict(),
            "metrics": dict(self.metrics),
            "source": dict(self.source),
        }
        return json.dumps(value)

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """Read the text that `to_json` returns.

        Raises:
            InvalidEvaluation: The text is no evaluation; the message names the fault.
        """
        try:
            value = json.loads(text, parse_int=bounded_int)
            architecture = Architecture.from_dict(value["architecture"])
            metrics = value["metrics"]
        # Numbers and nesting beyond Python's limits raise these as well.
        except (ValueError, RecursionError) as error:
            raise InvalidEvaluation(f"not JSON: {error}") from error
        except (KeyError, TypeError) as error:
            raise InvalidEvaluation(
                "an evaluation needs the keys 'architecture' and 'metrics'"
            ) from error
        except PathfitError as error:
            raise InvalidEvaluation(str(error)) from error

        if not isinstance(metrics, dict) or not all(map(_is_number, metrics.values())):
            raise InvalidEvaluation(f"'metrics' must map names to numbers, not {metrics!r:.60}")

        source = value.get("source", {})
        if not isinstance(source, dict):
            raise InvalidEvaluation(f"'source' must be an object, not {source!r:.60}")

        return cls(architecture, metrics, source)


def _is_number(value: object) -> bool:
    # JSON as Python reads it may hold NaN and Infinity, which no metric can have.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def read(path: str | Path, space: str | None = None) -> list[Evaluation]:
    """Read all evaluations of a file.

    Args:
        path: A file of JSON lines.
        space: Canonical name that every architecture must have. None accepts any space.

    Raises:
        InvalidEvaluation: A line cannot be read or is of another space; file and line are named.
        InvalidFile: The file cannot be read.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import spaces
        >>> from tables import Evaluation, evaluation
        >>> architecture = spaces.get("nasbench201").architecture([3, 3, 3, 1, 3, 2])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "evaluations.jsonl"
        ...     _ = path.write_text(Evaluation(architecture, {"top1": 91.5}).to_json())
        ...     evaluations = evaluation.read(path, "nasbench201")
        >>> evaluation.values(evaluations, "top1")
        [91.5]
    """
    return _parse(path, enumerate(read_text(path).splitlines(), 1), space)


def _parse(
    path: str | Path, lines: Iterable[tuple[int, str]], space: str | None
) -> list[Evaluation]:
    evaluations: list[Evaluation] = []
    for number, line in lines:
        if not line.strip():
            continue
        try:
            evaluation = Evaluation.from_json(line)
        except InvalidEvaluation as error:
            raise InvalidEvaluation(f"{path}, line {number}: {error}") from error

        if space is not None and evaluation.architecture.space != space:
            raise InvalidEvaluation(
                f"{path}, line {number}: of the space {evaluation.architecture.space}, not {space}"
            )

        evaluations.append(evaluation)
    return evaluations


def values(evaluations: Iterable[Evaluation], metric: str) -> list[float]:
    """Return one metric of every evaluation, in its unit.

    Raises:
        UnknownName: No evaluation has the metric; the message lists the metrics that they have.
        InvalidEvaluation: Some evaluations have the metric and others lack it.
    """
    evaluations = list(evaluations)
    lacking = [
        index for index, evaluation in enumerate(evaluations, 1) if metric not in evaluation.metrics
    ]
    if lacking and len(lacking) == len(evaluations):
        # A dictionary keeps the order of first occurrence, which a set does not.
        names = dict.fromkeys(name for evaluation in evaluations for name in evaluation.metrics)
        raise UnknownName("metric", metric, names)
    if lacking:
        raise InvalidEvaluation(
            f"{len(lacking)} of {len(evaluations)} evaluations lack the metric {metric!r}, the"
            f" first of them is evaluation {lacking[0]}; add it or remove them"
        )
    return [evaluation.metrics[metric] for evaluation in evaluations]


def scores(evaluations: Iterable[Evaluation], metric: str) -> list[float]:
    """Return one metric of every evaluation as a score, of which greater is better.

    Metrics of which lower is better are negated.

    Raises:
        UnknownName: The metric is unknown, or no evaluation has it.
        InvalidEvaluation: Some evaluations have the metric and others lack it.
    """
    evaluations = list(evaluations)
    definition = find_metric(evaluations, metric)
    if definition is None:
        # A metric that evaluations have, but that nothing describes, has no better direction.
        names = dict.fromkeys(name for evaluation in evaluations for name in evaluation.metrics)
        described = [name for name in names if find_metric(evaluations, name)]
        raise UnknownName("metric", metric, described or QUALITIES)

    return [definition.sign * value for value in values(evaluations, metric)]


def find_metric(evaluations: Iterable[Evaluation], name: str) -> Metric | None:
    """Return the unit and the direction of a metric of evaluations; None if they are unknown.

    Args:
        evaluations: Evaluations, whose sources record the metrics of tasks other than
            classification.
        name: Name of the metric.
    """
    definition = known_metric(name)
    if definition is not None:
        return definition
    for evaluation in evaluations:
        recorded = evaluation.source.get("metrics")
        if isinstance(recorded, Mapping) and isinstance(recorded.get(name), Mapping):
            return Metric.from_dict(recorded[name])
    return None


def default_metric(evaluations: Sequence[Evaluation]) -> str | None:
    """Return the metric that evaluations are judged by where none is named.

    It is the score of their task, which is their first metric: the cross-entropy of a
    classification. Evaluations of no task, such as those of a benchmark, are judged by their only
    metric; None if they have several.

    Example:
        >>> from spaces import published
        >>> default_metric([Evaluation(published("fbnet-c"), {"top1": 74.9})])
        'top1'
    """
    names = dict.fromkeys(name for evaluation in evaluations for name in evaluation.metrics)
    for name in QUALITIES:
        if name in names:
            return name

    recorded = evaluations[0].source.get("metrics") if evaluations else None
    if isinstance(recorded, Mapping):
        # In the order of the task; an evaluation under conditions may list theirs first.
        first = next(iter(recorded), None)
        if first in names:
            return str(first)
    return next(iter(names)) if len(names) == 1 else None


class Journal:
    """An evaluations file that grows line by line and survives interruptions.

    An interruption loses the last line at most.

    Args:
        path: The file. Its evaluations are read into `done`.
        space: Canonical name that its architectures must have.
    """

    def __init__(self, path: str | Path, space: str):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)

        self._lines = JsonLines(path)
        # A line that an interruption tore would make the next one unreadable.
        self._lines.repair()

        self.done = _parse(self.path, self._lines.lines(), space)

    def append(self, evaluation: Evaluation) -> None:
        """Add one evaluation and wait until it is on the disk."""
        self._lines.append(evaluation.to_json())
        self.done.append(evaluation)
