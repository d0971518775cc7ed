"""EvaluationJournal: evaluations that are written one by one, so that none is lost."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from oneshot.errors import InvalidRun
from oneshot.evaluation.work import SupernetEvaluation
from oneshot.tasks.registry import with_task
from spaces.architecture import Architecture
from spaces.files import write_text
from spaces.progress import Progress, silent
from tables.evaluation import Evaluation, Journal


class EvaluationJournal:
    """File of evaluations by one supernet with the same settings.

    Args:
        evaluation: Evaluation by a supernet.
        output: File of JSON lines, which may have some evaluations already.

    Raises:
        InvalidRun: The file has evaluations by another supernet, data set or settings.
    """

    def __init__(self, evaluation: SupernetEvaluation, output: Path):
        self.evaluation = evaluation
        self.output = output
        self.source = evaluation.source()
        self.journal = Journal(output, evaluation.run.space.name)
        for done in self.journal.done:
            source = with_task(done.source)
            for name in {**self.source, **source}:
                recorded = source.get(name)
                required = self.source.get(name)
                if recorded != required:
                    raise InvalidRun(
                        f"{output} holds evaluations with {name} {recorded!r}, not {required!r};"
                        " choose another file"
                    )

    def evaluate(
        self,
        architectures: Sequence[Architecture],
        progress: Progress = silent,
    ) -> list[Evaluation]:
        """Evaluate the architectures that the file does not have, and sort the file.

        Args:
            architectures: Architectures; duplicates are evaluated once.
            progress: Called with the fraction done.

        Returns:
            Evaluations of the architectures, in their order.
        """
        unique = list(dict.fromkeys(architectures))
        evaluations = {done.architecture: done for done in self.journal.done}
        missing = [architecture for architecture in unique if architecture not in evaluations]
        if missing:
            codes = self.evaluation.run.space.encode(missing)
            with closing(self.evaluation.stream(codes)) as results:
                first = len(unique) - len(missing) + 1
                for count, (index, metrics) in enumerate(results, first):
                    evaluation = Evaluation(missing[index], metrics, self.source)
                    self.journal.append(evaluation)
                    evaluations[evaluation.architecture] = evaluation
                    progress(count / len(unique), f"{count}/{len(unique)}")

        requested = set(unique)
        others = [done for done in evaluations.values() if done.architecture not in requested]
        self._rewrite([evaluations[architecture] for architecture in unique] + others)
        return [evaluations[architecture] for architecture in architectures]

    def _rewrite(self, ordered: list[Evaluation]) -> None:
        # The order in which processes finished is random; files are to be reproducible.
        if self.journal.done != ordered:
            write_text(self.output, "".join(evaluation.to_json() + "\n" for evaluation in ordered))
