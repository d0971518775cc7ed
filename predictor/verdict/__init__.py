"""Verdicts on estimators: how far scores rank networks as their true accuracies do.

The figures are those of Ning et al., "Evaluating Efficient Performance Estimators of Neural
Architectures", NeurIPS 2021 (arXiv 2008.03064). `judge` computes them of two arrays.
"""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from predictor.verdict.judging import judge as judge
    from predictor.verdict.scores import Scores as Scores
    from predictor.verdict.verdict import Figure as Figure
    from predictor.verdict.verdict import Verdict as Verdict

__all__ = ["Figure", "Scores", "Verdict", "judge"]

__getattr__, __dir__ = exports(
    __name__,
    {"Figure": ".verdict", "Scores": ".scores", "Verdict": ".verdict", "judge": ".judging"},
)
