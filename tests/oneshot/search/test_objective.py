"""Objectives as users state them."""

import pytest

from oneshot.errors import InvalidObjective
from oneshot.search.objective import Objective
from spaces import ChainSpace
from spaces.errors import UnknownName
from tables import LookupTable


def no_table(name: str) -> LookupTable:
    raise AssertionError(f"{name} was looked up")


def test_counts_and_latencies(tiny: ChainSpace, table: LookupTable) -> None:
    flops = Objective.parse(" flops ", tiny, no_table)
    assert flops is not None
    assert (flops.metric, flops.device, flops.model.unit) == ("macs", None, "multiply-accumulates")
    latency = Objective.parse(
        "latency_ms @ my cpu", tiny, lambda name: table if name == "my cpu" else no_table(name)
    )
    assert latency is not None
    assert (latency.metric, latency.device) == ("latency_ms", "made-up")


@pytest.mark.parametrize("text", ["accuracy", "score"])
def test_the_score_is_always_sought(tiny: ChainSpace, text: str) -> None:
    assert Objective.parse(text, tiny, no_table) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not an objective: ''; one reads like 'accuracy', 'flops' or 'latency_ms@TABLE'"),
        ("flops<=3", "not an objective: 'flops<=3'"),
        ("latency_ms@", "not an objective: 'latency_ms@'"),
        ("latency_ms", "objective 'latency_ms': name its table: latency_ms@TABLE"),
        ("params@cpu", "objective 'params@cpu': a count needs no table; write params"),
    ],
)
def test_what_is_no_objective(tiny: ChainSpace, text: str, said: str) -> None:
    with pytest.raises(InvalidObjective) as caught:
        Objective.parse(text, tiny, no_table)
    assert str(caught.value).startswith(said)


def test_unknown_metrics_name_those_that_exist(tiny: ChainSpace) -> None:
    with pytest.raises(UnknownName, match="unknown metric 'watts'; available: "):
        Objective.parse("watts", tiny, no_table)
