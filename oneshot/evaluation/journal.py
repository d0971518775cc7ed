"""Evaluations written down one by one, so that an interruption loses none."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from oneshot.errors import InvalidRun
from oneshot.evaluation.work import SupernetEvaluation
from spaces.architecture import Architecture
from spaces.files import write_text
from spaces.progress import Progress, silent
from tables.evaluation import Evaluation, Journal


class EvaluationJournal:
    """A file of evaluations by one supernet under one setting.

    Args:
        evaluation: how architectures are evaluated.
        output: a file of JSON lines, which may hold some evaluations already.

    Raises:
        InvalidRun: it holds evaluations of another supernet, data set or setting.
    """

    def __init__(self, evaluation: SupernetEvaluation, output: Path):
        self.evaluation, self.output = evaluation, output
        self.source = evaluation.source()
        self.journal = Journal(output, evaluation.run.space.name)
        for done in self.journal.done:
            for name in {**self.source, **done.source}:
                found, needed = done.source.get(name), self.source.get(name)
                if found != needed:
                    raise InvalidRun(
                        f"{output} holds evaluations with {name} {found!r}, not {needed!r}; choose"
                        " another file"
                    )

    def evaluate(
        self,
        architectures: Sequence[Architecture],
        progress: Progress = silent,
    ) -> list[Evaluation]:
        """Evaluate what the file does not hold yet, and leave it in the order of the architectures.

        Args:
            architectures: what is evaluated; each once, however often it is given.
            progress: called with the share that is done.

        Returns:
            The evaluations of the architectures, in their order.
        """
        wanted = list(dict.fromkeys(architectures))
        known = {done.architecture: done for done in self.journal.done}
        rest = [architecture for architecture in wanted if architecture not in known]
        if rest:
            codes = self.evaluation.run.space.encode(rest)
            with closing(self.evaluation.stream(codes)) as results:
                for count, (place, metrics) in enumerate(results, len(wanted) - len(rest) + 1):
                    found = Evaluation(rest[place], metrics, self.source)
                    self.journal.append(found)
                    known[found.architecture] = found
                    progress(count / len(wanted), f"{count}/{len(wanted)}")
        chosen = set(wanted)
        others = [done for done in known.values() if done.architecture not in chosen]
        self._leave([known[architecture] for architecture in wanted] + others)
        return [known[architecture] for architecture in architectures]

    def _leave(self, ordered: list[Evaluation]) -> None:
        """Rewrite the file in this order: the one in which results came is no one's business."""
        if self.journal.done != ordered:
            write_text(self.output, "".join(evaluation.to_json() + "\n" for evaluation in ordered))
