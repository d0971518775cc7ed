"""CostModel: sums over blocks, their correction, their bounds and their expectation."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import spaces
from spaces import ChainSpace
from spaces.errors import InvalidArchitecture, NotAdditive, UnknownName
from tables import CostModel, LookupTable
from tables.cost.model import counting_model
from tables.errors import MissingBlock
from tables.lookup_table import NetworkSample
from tables.metrics import MARGIN, canonical_metric


@pytest.fixture(scope="module")
def model(table: LookupTable, tiny: ChainSpace) -> CostModel:
    return table.cost_model(tiny)


@pytest.fixture(scope="module")
def every(tiny: ChainSpace) -> np.ndarray:
    return np.concatenate(list(tiny.enumerate_codes()))


def brute_force(
    model: CostModel, table: LookupTable, space: ChainSpace, codes: np.ndarray
) -> list[float]:
    """Block by block and delta by delta."""
    assert model.correction is not None
    starts = np.concatenate([[0], np.cumsum(space.candidates)[:-1]])
    return [
        sum(table.blocks[block.key].latency_ms for block in space.blocks(architecture))
        + model.correction.intercept
        + sum(
            model.correction.deltas[start + code] for start, code in zip(starts, row, strict=True)
        )
        for architecture, row in zip(space.decode(codes), codes.tolist(), strict=True)
    ]


def test_estimate_is_block_sum_and_correction(
    model: CostModel, table: LookupTable, tiny: ChainSpace
) -> None:
    codes = tiny.sample(np.random.default_rng(5), 50)
    expected = brute_force(model, table, tiny, codes)
    assert model.estimate(codes) == pytest.approx(np.array(expected), rel=1e-12)
    assert np.array_equal(model.estimate(tiny.decode(codes)), model.estimate(codes))
    assert model.estimate(codes).dtype == np.float64
    assert model.block_sum is not None
    plain = [
        sum(table.blocks[block.key].latency_ms for block in tiny.blocks(one))
        for one in tiny.decode(codes)
    ]
    assert model.block_sum(codes) == pytest.approx(np.array(plain))


def test_estimates_find_what_the_networks_cost_more(model: CostModel, table: LookupTable) -> None:
    codes, measured = table.network_latencies()
    assert model.sigma == pytest.approx(0.004, rel=0.3)
    assert model.sigma is not None
    assert np.abs(model.estimate(codes.astype(np.int8)) - measured).mean() < model.sigma
    assert (model.unit, model.device, model.metric) == ("ms", "made-up", "latency_ms")


def test_bounds_are_those_of_all_networks(model: CostModel, every: np.ndarray) -> None:
    costs = model.estimate(every)
    least, greatest = model.bounds()
    assert (least.value, greatest.value) == pytest.approx((costs.min(), costs.max()), rel=1e-12)
    for bound in (least, greatest):
        assert model.estimate([bound.architecture])[0] == bound.value


def test_upper_keeps_the_margin(model: CostModel, tiny: ChainSpace) -> None:
    codes = tiny.sample(np.random.default_rng(6), 20)
    estimate = model.estimate(codes)
    assert model.sigma is not None
    assert MARGIN == 1.64
    assert model.upper(codes) == pytest.approx(estimate + 1.64 * model.sigma)
    assert model.upper(codes, 3.0) == pytest.approx(estimate + 3.0 * model.sigma)
    assert np.array_equal(model.upper(codes, 0.0), estimate)


def test_expectation_is_the_weighted_mean_of_all(
    model: CostModel, tiny: ChainSpace, every: np.ndarray
) -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = [
        torch.rand(4, generator=generator, dtype=torch.float64).softmax(0) for _ in tiny.choices
    ]
    weights = (
        torch.stack([row[every[:, column]] for column, row in enumerate(probabilities)])
        .prod(0)
        .numpy()
    )
    assert weights.sum() == pytest.approx(1)
    assert model.expected(probabilities).item() == pytest.approx(
        weights @ model.estimate(every), rel=1e-10
    )


@given(codes=st.tuples(*[st.integers(0, 3)] * 6))
def test_expectation_of_a_sure_choice_is_its_cost(codes: tuple[int, ...]) -> None:
    space = spaces.get("spos-tiny")
    model = counting_model(space, "macs")
    sure = [torch.nn.functional.one_hot(torch.tensor(code), 4).double() for code in codes]
    assert model.expected(sure).item() == space.macs(space.architecture(codes))


def test_gradient_is_the_finite_difference(model: CostModel, tiny: ChainSpace) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = [
        torch.rand(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
        for _ in tiny.choices
    ]

    def expected(*given: torch.Tensor) -> torch.Tensor:
        return model.expected([part.softmax(-1) for part in given])

    assert expected(*logits).shape == (3,)
    assert torch.autograd.gradcheck(expected, logits)


def test_costs_that_are_no_sums_have_no_expectation(
    model: CostModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(model.space), "additive", False)
    with pytest.raises(NotAdditive, match="costs of spos-tiny are not sums over its choices"):
        model.expected([torch.full((4,), 0.25)] * 6)


def test_a_missing_block_is_named(make_table: Callable[..., LookupTable], tiny: ChainSpace) -> None:
    table = make_table(tiny)
    keys = [key for key in table.blocks if key.startswith("xception")]
    some = {key: cost for key, cost in table.blocks.items() if key not in keys[1:2]}
    with pytest.raises(MissingBlock) as caught:
        make_table(tiny, blocks=some).cost_model(tiny)
    assert caught.value.missing == (keys[1],)
    assert f"the table 'made-up' lacks the block '{keys[1]}' of spos-tiny" in str(caught.value)
    assert "more" not in str(caught.value)
    fewer = {key: cost for key, cost in table.blocks.items() if key not in keys}
    with pytest.raises(MissingBlock, match=f"and {len(keys) - 1} more of spos-tiny"):
        make_table(tiny, blocks=fewer).cost_model(tiny)
    assert make_table(tiny, blocks={}).cost_model(tiny, "macs").sigma == 0


def test_networks_of_another_space_tell_no_sigma(
    make_table: Callable[..., LookupTable], tiny: ChainSpace
) -> None:
    model = make_table(tiny, space="spos-tiny(repeats=(1, 1, 1))").cost_model(tiny)
    codes = tiny.sample(np.random.default_rng(7), 5)
    assert (model.sigma, model.correction) == (None, None)
    assert model.block_sum is not None
    assert np.array_equal(model.estimate(codes), model.block_sum(codes))
    assert np.array_equal(model.upper(codes), model.estimate(codes))


@pytest.mark.parametrize(("count", "told"), [(0, False), (7, False), (8, True)])
def test_few_networks_tell_no_sigma(
    make_table: Callable[..., LookupTable], tiny: ChainSpace, count: int, told: bool
) -> None:
    assert (make_table(tiny, networks=count).cost_model(tiny).sigma is not None) is told


def test_codes_that_the_space_has_not_are_refused(
    make_table: Callable[..., LookupTable], tiny: ChainSpace
) -> None:
    samples = tuple(NetworkSample((0, 0, 0, 0, 0, code), 0, (1.0,), 1.0) for code in range(9))
    assert len(samples) == 9
    table = make_table(tiny)
    fields = {name: getattr(table, name) for name in table.__dataclass_fields__}
    with pytest.raises(InvalidArchitecture, match="layer_6: code 4 is out of range"):
        LookupTable(**{**fields, "networks": samples}).cost_model(tiny)


@pytest.mark.parametrize("metric", ["macs", "params", "flops"])
@pytest.mark.parametrize("name", ["spos-tiny", "spos"])
def test_counts_are_exact(metric: str, name: str) -> None:
    space = spaces.get(name)
    model = counting_model(space, metric)
    codes = space.sample(np.random.default_rng(8), 100)
    true = space.params(codes) if metric == "params" else space.macs(codes)
    assert np.array_equal(model.estimate(codes), true)
    assert np.array_equal(model.upper(codes, 5.0), true)
    assert (model.sigma, model.device, model.correction) == (0.0, None, None)


def test_the_least_and_greatest_of_spos_are_those_of_the_paper() -> None:
    least, greatest = counting_model(spaces.get("spos"), "flops").bounds()
    assert (least.value / 1e6, greatest.value / 1e6) == pytest.approx((270.36, 398.61), abs=0.005)
    assert spaces.get("spos").macs(least.architecture) == least.value


def test_metrics_have_one_name_each() -> None:
    assert [canonical_metric(name) for name in ("flops", "macs", "params", "latency_ms")] == [
        "macs",
        "macs",
        "params",
        "latency_ms",
    ]
    assert counting_model(spaces.get("spos-tiny"), "flops").metric == "macs"
    assert counting_model(spaces.get("spos-tiny"), "macs").unit == "multiply-accumulates"
    with pytest.raises(
        UnknownName,
        match="unknown metric 'watts'; available: latency_ms, prefill_ms, decode_ms",
    ):
        canonical_metric("watts")
    with pytest.raises(
        UnknownName, match="unknown count 'latency_ms'; available: macs, binary_macs, params, flops"
    ):
        counting_model(spaces.get("spos-tiny"), "latency_ms")
