"""Limits as users state them, and constraints on a space."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spaces
from oneshot import Limit
from oneshot.errors import Infeasible, InvalidConstraint
from oneshot.search.constraint import Constraint
from oneshot.search.objective import Objective
from oneshot.search.result import SearchResult
from spaces import ChainSpace
from spaces.errors import PathfitError, UnknownName
from tables import Benchmark, LookupTable
from tables.benchmarks.device import BenchmarkDevice
from tables.benchmarks.records import Records
from tables.cost.model import counting_model


@given(
    maximum=st.floats(1e-3, 1e12),
    metric=st.sampled_from(["flops", "macs", "params"]),
    gap=st.sampled_from(["", " ", "  "]),
)
def test_counts_are_read_back(maximum: float, metric: str, gap: str) -> None:
    assert Limit.parse(f"{gap}{metric}{gap}<={gap}{maximum!r}{gap}") == Limit(metric, maximum)


@pytest.mark.parametrize("table", ["my-cpu", "runs/tables/my cpu.json", "a@b", "/x/y.json"])
def test_latencies_name_their_table(table: str) -> None:
    expected = Limit("latency_ms", 12.5, table)
    assert (
        Limit.parse(f"latency_ms<=12.5@{table}")
        == Limit.parse(f" latency_ms <= 12.5 @ {table} ")
        == expected
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a constraint: ''; one reads like 'latency_ms<=12@TABLE' or 'flops<=330e6'"),
        ("flops", "not a constraint: 'flops'"),
        ("flops<330e6", "not a constraint"),
        ("flops>=330e6", "not a constraint"),
        ("flops<=", "not a constraint"),
        ("flops<=many", "not a constraint"),
        ("flops<=1e", "not a constraint"),
        ("flops<=1--2", "not a constraint"),
        ("latency_ms<=12@", "not a constraint"),
        ("flops<=0", "flops: the maximum must be a positive number, not 0.0"),
        ("flops<=-3", "flops: the maximum must be a positive number, not -3.0"),
        ("flops<=1e999", "flops: the maximum must be a positive number, not inf"),
        (
            "latency_ms<=12",
            "latency_ms: a measured cost needs a device's table; write latency_ms<=12@TABLE",
        ),
        ("flops<=330e6@my-cpu", "flops: a count needs no table; write flops<=3.3e+08"),
    ],
)
def test_what_is_no_limit(text: str, said: str) -> None:
    with pytest.raises(InvalidConstraint) as caught:
        Limit.parse(text)
    assert str(caught.value).startswith(said)


def test_unknown_metrics_name_those_that_exist() -> None:
    with pytest.raises(
        UnknownName, match="unknown metric 'watts'; available: latency_ms, prefill_ms, decode_ms"
    ):
        Limit.parse("watts<=3")


def no_table(name: str) -> LookupTable:
    raise AssertionError(f"{name} was looked up")


@given(share=st.floats(0.0, 1.0), metric=st.sampled_from(["flops", "params"]))
def test_counts_are_met_exactly(share: float, metric: str) -> None:
    space = spaces.get("spos-tiny")
    least, greatest = (bound.value for bound in counting_model(space, metric).bounds())
    maximum = least + round(share * (greatest - least))
    constraint = Limit(metric, maximum).bind(space, no_table)
    codes = space.sample(np.random.default_rng(0), 200)
    counts = space.macs(codes) if metric == "flops" else space.params(codes)
    assert np.array_equal(constraint.met(codes), counts <= maximum)
    assert constraint.metric == {"flops": "macs", "params": "params"}[metric]


def test_latency_keeps_its_margin(tiny: ChainSpace, table: LookupTable) -> None:
    model = table.cost_model(tiny)
    assert model.sigma is not None
    codes = tiny.sample(np.random.default_rng(1), 300)
    maximum = float(np.median(model.estimate(codes)))
    for margin in (0.0, 1.64, 3.0):
        constraint = Limit("latency_ms", maximum, "t").bind(tiny, lambda name: table, margin)
        assert np.array_equal(
            constraint.met(codes), model.estimate(codes) + margin * model.sigma <= maximum
        )
        assert constraint.to_dict() == {
            "metric": "latency_ms",
            "maximum": maximum,
            "table": "made-up",
            "margin": margin,
            "sigma": model.sigma,
        }


def test_the_least_that_is_possible_is_told(tiny: ChainSpace, table: LookupTable) -> None:
    model = table.cost_model(tiny)
    assert model.sigma is not None
    least = model.bounds()[0].value
    with pytest.raises(Infeasible) as caught:
        Limit("latency_ms", least / 2, "t").bind(tiny, lambda name: table)
    error = caught.value
    assert (
        str(error)
        == f"the fastest network of spos-tiny takes {least:.4g} ms on made-up; the limit is"
        f" {least / 2:g}"
    )
    assert (error.metric, error.maximum) == ("latency_ms", least / 2)
    assert error.least == pytest.approx(least + 1.64 * model.sigma)


def test_a_limit_within_the_margin_is_told_so(tiny: ChainSpace, table: LookupTable) -> None:
    model = table.cost_model(tiny)
    assert model.sigma is not None
    least = model.bounds()[0].value
    maximum = least + model.sigma
    reach = least + 1.64 * model.sigma
    with pytest.raises(Infeasible) as caught:
        Limit("latency_ms", maximum, "t").bind(tiny, lambda name: table)
    told = (
        f"{reach:.4g} ms with the margin of 1.64 sigma (a margin of 0 leaves it out); the limit is"
        f" {maximum:g}"
    )
    assert str(caught.value).endswith(told)
    assert (
        Limit("latency_ms", maximum, "t")
        .bind(tiny, lambda name: table, 0.0)
        .met([model.bounds()[0].architecture])
    )
    # What the error tells is possible is.
    assert Limit("latency_ms", caught.value.least * (1 + 1e-12), "t").bind(tiny, lambda name: table)


def test_infeasible_counts_tell_the_least(tiny: ChainSpace) -> None:
    least = int(counting_model(tiny, "macs").bounds()[0].value)
    with pytest.raises(Infeasible) as caught:
        Limit.parse(f"flops<={least - 1}").bind(tiny, no_table)
    assert (
        str(caught.value)
        == f"the smallest network of spos-tiny has {least} macs; the limit is {least - 1:g}"
    )
    assert isinstance(caught.value, PathfitError)
    bound = Limit.parse(f"flops<={least}").bind(tiny, no_table)
    assert bound.met(np.concatenate(list(tiny.enumerate_codes()))).sum() >= 1


@pytest.mark.parametrize(
    ("sigma", "margin", "lacks_margin"),
    [(None, 1.64, True), (None, 0, False), (0.0, 1.64, False), (0.1, 1.64, False)],
)
def test_a_margin_without_a_deviation_is_reported(
    sigma: float | None, margin: float, lacks_margin: bool
) -> None:
    exact = counting_model(spaces.get("spos-tiny"), "macs")
    model = dataclasses.replace(exact, sigma=sigma)
    constraint = Constraint("latency_ms", 1e9, model, margin, "my-cpu")
    assert constraint.lacks_margin == lacks_margin
    assert (constraint.margin_note is not None) == lacks_margin

    # The result of a search, such as a service's, reports what its constraints recorded.
    result = SearchResult(
        "spos-tiny",
        guide={},
        constraints=[constraint.to_dict()],
        objectives=["macs"],
        strategy={},
        seed=0,
        codes=np.zeros((1, 6), dtype=np.int16),
        scores=np.zeros(1),
        deviations=np.zeros(1),
        costs={"macs": np.ones(1)},
        order=np.zeros(1, dtype=np.int64),
        history=[],
    )
    assert result.margin_notes() == ([constraint.margin_note] if lacks_margin else [])


def test_a_device_of_a_benchmark_limits_and_ranks_its_architectures() -> None:
    space = spaces.get("nasbench201")
    codes = space.check(np.unique(space.sample(np.random.default_rng(0), 50), axis=0))
    latencies = np.linspace(5, 50, len(codes))
    columns = {("latency_ms@raspi4", None): latencies}
    device = BenchmarkDevice(Benchmark("made-up", Records(space.name, codes, columns)), "raspi4")

    constraint = Limit.parse("latency_ms<=20@raspi4").bind(space, lambda name: device)
    objective = Objective.parse("latency_ms@raspi4", space, lambda name: device)

    # A measured latency has no deviation, so that the margin adds nothing.
    np.testing.assert_array_equal(constraint.met(codes), latencies <= 20)
    assert constraint.label == "latency_ms@raspi4"
    assert objective is not None
    np.testing.assert_array_equal(objective.model.estimate(codes), latencies)
    assert not objective.model.complete
    # The other cells have no latency, which no limit lets pass.
    recorded = Constraint.on_recorded(objective.model)
    assert recorded.maximum == 50
    every = np.concatenate(list(space.enumerate_codes(5000)))
    assert recorded.met(every).sum() == len(codes)
    with pytest.raises(Infeasible, match="the fastest network of nasbench201 takes 5 ms on raspi4"):
        Limit.parse("latency_ms<=4@raspi4").bind(space, lambda name: device)
