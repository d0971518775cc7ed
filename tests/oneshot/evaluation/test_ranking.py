"""Rankings by one metric, by several with weights, and under conditions."""

import pytest

from oneshot.errors import InvalidGuide
from oneshot.evaluation.ranking import Ranking
from oneshot.perturbations import Conditions, Perturbation, register_perturbation
from oneshot.perturbations.registry import PERTURBATIONS
from tables.metrics import QUALITIES

VALUES = {"cross_entropy": 0.5, "top1": 80.0, "top5": 99.0}


def test_one_metric_counts_in_its_better_direction() -> None:
    assert Ranking.parse("top1", QUALITIES).score(VALUES) == 80.0
    assert Ranking.parse("cross_entropy", QUALITIES).score(VALUES) == -0.5


def test_one_metric_is_described_with_its_unit_and_direction() -> None:
    assert Ranking.parse("cross_entropy", QUALITIES).describe() == {
        "metric": "cross_entropy",
        "unit": "nats",
        "higher_is_better": False,
        "title": "cross-entropy",
    }


def test_several_metrics_are_summed_with_their_weights() -> None:
    ranking = Ranking.parse("top1=0.5, cross_entropy=10", QUALITIES)
    assert ranking.score(VALUES) == 0.5 * 80.0 - 10 * 0.5
    assert ranking.describe() == {"rank_by": {"top1": 0.5, "cross_entropy": 10.0}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("top_1", "cross_entropy, top1, top5, not 'top_1'; did you mean 'top1'?"),
        ("top1=0", "a weight is a number above 0"),
        ("top1=nan", "a weight is a number above 0"),
        ("top1=1,top1=2", "top1 is named twice"),
        ("top1=1,", "not ''"),
    ],
)
def test_ranking_that_cannot_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidGuide, match="rank_by") as error:
        Ranking.parse(text, QUALITIES)
    assert words in str(error.value)


def test_metric_without_a_weight_is_summed_over_the_conditions() -> None:
    with PERTURBATIONS.preserved():
        _register_brighter()
        conditions = Conditions.parse(["clean=1", "brighter=0.5"])
        values = {**VALUES, "top1_brighter": 60.0}
        assert Ranking.under("top1", QUALITIES, conditions).score(values) == 80.0 + 0.5 * 60.0


def test_weights_of_a_ranking_precede_those_of_the_conditions() -> None:
    with PERTURBATIONS.preserved():
        _register_brighter()
        conditions = Conditions.parse(["brighter=0.5"])
        values = {**VALUES, "top1_brighter": 60.0}
        ranking = Ranking.under("top1=2,top1_brighter=3", QUALITIES, conditions)
        assert ranking.score(values) == 2 * 80.0 + 3 * 60.0


def test_metric_under_a_condition_that_is_not_evaluated_is_refused() -> None:
    with pytest.raises(InvalidGuide, match="top1_brighter"):
        Ranking.under("top1=1,top1_brighter=1", QUALITIES, None)


def _register_brighter() -> None:
    from contextlib import nullcontext
    from typing import Any

    @register_perturbation("brighter")
    class Brighter(Perturbation):
        def around(self, model: Any, inputs: Any, loss_at: Any, generator: Any) -> Any:
            return nullcontext(inputs + 1)
