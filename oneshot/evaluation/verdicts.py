"""The verdict on a supernet's ranking, recorded in the folder of its run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneshot.errors import InvalidOption
from spaces.files import write_text

if TYPE_CHECKING:
    from oneshot.run import Run
    from predictor.verdict.scores import JudgedScores, Scores
    from predictor.verdict.verdict import Verdict
    from spaces.space import SearchSpace
    from tables.benchmarks.oracle import Benchmark

VERDICT = "verdict.json"
"""File of the verdict in the folder of a run."""


@dataclass(frozen=True)
class Truth:
    """True values that a supernet's evaluations are judged by: a file's or a benchmark's.

    Args:
        scores: True values of a file; None: those of the benchmark.
        benchmark: Benchmark; None: the file's.
    """

    scores: Scores | None = None
    benchmark: Benchmark | None = None

    @classmethod
    def load(cls, path: Path | None, name: str | None, space: SearchSpace) -> Truth | None:
        """Load the true values of a space's architectures; None where neither is named.

        Args:
            path: Evaluations with true values.
            name: Name of a benchmark.
            space: Space of the architectures.

        Raises:
            InvalidOption: Both are named, or the benchmark is of another space.
            PathfitError: The file or the benchmark cannot be read.
        """
        if path is not None and name is not None:
            raise InvalidOption("name a file of true values or a benchmark, not both")
        if path is not None:
            from predictor.verdict.scores import Scores

            return cls(scores=Scores.from_file(path, space=space.name))
        if name is None:
            return None

        from tables.benchmarks.registry import benchmark

        table = benchmark(name)
        if table.space != space:
            raise InvalidOption(f"the benchmark {name} is of {table.space.name}, not {space.name}")
        return cls(benchmark=table)

    def judged(self, scores: Scores) -> JudgedScores:
        """Return scores of architectures next to their true values.

        Raises:
            NotInBenchmark: The benchmark lacks an architecture.
            TooFewArchitectures: The file has fewer than 10 of the architectures.
        """
        if self.scores is not None:
            return scores.with_truth(self.scores)
        assert self.benchmark is not None
        return scores.with_benchmark(self.benchmark)


def record_verdict(run: Run, verdict: Verdict, judged: JudgedScores) -> Path:
    """Write the verdict on a supernet to the folder of its run, in place of an earlier one.

    Args:
        run: Run of the supernet.
        verdict: Verdict on its evaluations.
        judged: Scores and true values that the verdict is on.

    Returns:
        The file.
    """
    metric, truth = judged.labels
    value: dict[str, Any] = {
        "metric": metric,
        "truth": truth,
        "weights": run.weights_digest(),
        **verdict.to_dict(),
    }
    path = run.folder / VERDICT
    write_text(path, json.dumps(value, indent=1) + "\n")
    return path
