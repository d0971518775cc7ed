"""Transfer to a new device: known devices and architectures predict, and deviations are honest."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

import spaces
from spaces import ChainSpace
from spaces.space import SearchSpace
from tables import LookupTable
from tables.errors import InvalidTransfer
from tables.ranks import spearman
from tables.transfer import DeviceTransfer, Prior, transferred_model
from tables.transfer.features import NetworkFeatures, operation_counts, totals
from tables.transfer.process import Process, Settings, Transform

Array = NDArray[np.float64]
MakeTable = Callable[..., LookupTable]


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return spaces.get("nasbench201")


@pytest.fixture(scope="module")
def codes(space: SearchSpace) -> NDArray[np.int8]:
    return space.sample(np.random.default_rng(0), 400)


def devices(codes: NDArray[np.int8], seed: int, count: int) -> Array:
    """Latencies [networks, devices] of devices that weigh three common properties of networks.

    The properties are random for each network: an architecture has nothing to do with them.
    """
    rng = np.random.default_rng(seed)
    properties = rng.normal(size=(len(codes), 3)) * (1.0, 0.5, 0.3)
    weights = rng.uniform(0.2, 1.0, (3, count))
    noise = rng.normal(0, 0.005, (len(codes), count))
    latencies: Array = np.exp(0.3 * properties @ weights + noise)
    return latencies


def additive(space: SearchSpace, codes: NDArray[np.int8], seed: int) -> Array:
    """Latencies [networks] that are sums over the operations of the edges."""
    rng = np.random.default_rng(seed)
    cost = rng.uniform(0.2, 3.0, len(space.choices[0].candidates))
    latencies: Array = 1.0 + np.eye(len(cost))[codes].sum(1) @ cost
    return latencies


def test_a_mixture_of_known_devices_is_predicted(
    space: SearchSpace, codes: NDArray[np.int8]
) -> None:
    costs = devices(codes, 0, 6)
    prior = Prior(space, codes, costs[:, :5])
    rows = prior.design()
    posterior = prior.fit(codes[rows], costs[rows, :5], 7.5 * costs[rows, 5])
    predicted = posterior.predict(codes, costs[:, :5])
    assert spearman(predicted, costs[:, 5]) > 0.97
    # In milliseconds of the new device, not of the others.
    assert np.median(predicted / (7.5 * costs[:, 5])) == pytest.approx(1, abs=0.05)


def test_an_unrelated_device_is_predicted_by_architectures(
    space: SearchSpace, codes: NDArray[np.int8]
) -> None:
    """The known devices mislead, which the measured networks show."""
    known = devices(codes, 1, 4)
    latency = additive(space, codes, 2)
    prior = Prior(space, codes, known)
    rows = prior.design(20)
    predicted = prior.fit(codes[rows], known[rows], latency[rows]).predict(codes, known)
    assert spearman(predicted, latency) > 0.9
    # Without the architecture nothing could be known.
    assert max(abs(spearman(column, latency)) for column in known.T) < 0.2


def test_no_known_device_is_needed(space: SearchSpace, codes: NDArray[np.int8]) -> None:
    none = np.empty((len(codes), 0))
    latency = additive(space, codes, 3)
    prior = Prior(space, codes, none)
    rows = prior.design(20)
    predicted = prior.fit(codes[rows], none[rows], latency[rows]).predict(codes, none)
    assert spearman(predicted, latency) > 0.95


def test_units_of_known_devices_do_not_matter(space: SearchSpace, codes: NDArray[np.int8]) -> None:
    costs = devices(codes, 4, 4)
    predictions = []
    for factors in ([1.0, 1.0, 1.0], [1e3, 1e-3, 7.0]):
        known = costs[:, :3] * factors
        prior = Prior(space, codes, known)
        rows = prior.design()
        posterior = prior.fit(codes[rows], known[rows], costs[rows, 3])
        predictions.append(posterior.predict(codes, known))
    assert np.allclose(*predictions, rtol=1e-6)


def test_predictions_scale_with_the_new_devices_unit(
    space: SearchSpace, codes: NDArray[np.int8]
) -> None:
    costs = devices(codes, 4, 4)
    prior = Prior(space, codes, costs[:, :3])
    rows = prior.design()
    milliseconds, seconds = (
        prior.fit(codes[rows], costs[rows, :3], factor * costs[rows, 3]) for factor in (1.0, 1e-3)
    )
    predicted = milliseconds.predict(codes, costs[:, :3])
    assert np.allclose(seconds.predict(codes, costs[:, :3]), 1e-3 * predicted, rtol=1e-6)
    deviations = milliseconds.deviation(codes, costs[:, :3])
    assert np.allclose(seconds.deviation(codes, costs[:, :3]), deviations, rtol=1e-5)


def test_deviations_cover_what_they_promise(space: SearchSpace, codes: NDArray[np.int8]) -> None:
    """Over several new devices about two thirds of networks are within one deviation."""
    costs = devices(codes, 5, 12)
    noisy = costs * np.exp(np.random.default_rng(0).normal(0, 0.05, costs.shape))
    prior = Prior(space, codes, costs[:, :4])
    rows = prior.design(12)
    unseen = np.setdiff1d(np.arange(len(codes)), rows)
    within = []
    for device in range(4, 12):
        posterior = prior.fit(codes[rows], costs[rows, :4], noisy[rows, device])
        predicted = posterior.predict(codes[unseen], costs[unseen, :4])
        deviations = posterior.deviation(codes[unseen], costs[unseen, :4])
        errors = np.abs(np.log(predicted / noisy[unseen, device])) / deviations
        within.append(((errors < 1).mean(), (errors < 2).mean()))
    one, two = np.mean(within, axis=0)
    assert 0.5 < one < 0.9
    assert two > 0.85


def test_the_design_uses_no_measurement_and_spreads(
    space: SearchSpace, codes: NDArray[np.int8]
) -> None:
    costs = devices(codes, 6, 5)
    rows = Prior(space, codes, costs, seed=3).design(10)
    assert len({tuple(row) for row in codes[rows].tolist()}) == 10
    assert np.array_equal(rows, Prior(space, codes, costs, seed=3).design(10))
    level = np.log(costs).mean(1)
    assert np.ptp(level[rows]) > 0.5 * np.ptp(level)


def test_scores_are_normal_quantiles(space: SearchSpace) -> None:
    codes = space.sample(np.random.default_rng(0), 1000)
    costs = np.stack([np.arange(1.0, 1001), np.arange(1000.0, 0, -1)], axis=1)
    scores = NetworkFeatures(space, codes, costs).scores(costs)
    assert scores[:, 0] == pytest.approx(norm.ppf((np.arange(1000) + 0.5) / 1000), abs=1e-12)
    assert scores[:, 1] == pytest.approx(scores[::-1, 0])


def test_groups_of_features_have_the_norm_one(space: SearchSpace, codes: NDArray[np.int8]) -> None:
    costs = devices(codes, 7, 3)
    features = NetworkFeatures(space, codes, costs)(codes, costs)
    assert len(features) == 9
    for group in features.values():
        assert np.abs(group.mean(0)).max() < 1e-9
        assert (group**2).sum(1).mean() == pytest.approx(1)


def test_architectures_are_described_by_totals_and_operations(
    space: SearchSpace, codes: NDArray[np.int8]
) -> None:
    assert np.array_equal(totals(space, codes)[:, 0], space.macs(codes))
    assert np.array_equal(totals(space, codes)[:, 1], space.params(codes))
    counts = operation_counts(space, codes)
    assert np.array_equal(counts[:, 0], (codes == 0).sum(1))
    assert (counts.sum(1) == 6).all()


def test_the_evidence_is_that_of_the_joint_density() -> None:
    """Two ways to one number: with a proper wide prior on the constant, the restricted likelihood
    of settings differs from the multivariate t density by one constant.
    """
    rng = np.random.default_rng(0)
    features = {"a": rng.normal(size=(8, 2)), "b": rng.normal(size=(8, 3))}
    values = rng.normal(size=8)
    values = (values - values.mean()) / values.std()
    settings = Settings.sample(rng, 5, 2)
    process = Process(settings, features, values)
    direct = []
    for fractions, noise in zip(settings.fractions, settings.noises, strict=True):
        kernel = sum(
            fraction * group @ group.T
            for fraction, group in zip(fractions, features.values(), strict=True)
        )
        covariance = kernel + noise * np.eye(8)
        # Contrasts, which do not depend on the constant.
        contrasts = np.linalg.qr(np.ones((8, 1)), mode="complete")[0][:, 1:]
        projected = contrasts.T @ covariance @ contrasts
        square = 1 + contrasts.T @ values @ np.linalg.solve(projected, contrasts.T @ values)
        direct.append(-0.5 * np.linalg.slogdet(projected)[1] - 0.5 * 8 * np.log(square))
    difference = process.log_evidence - np.array(direct)
    assert difference == pytest.approx(difference[0])


def test_means_by_weights_are_those_by_covariances() -> None:
    rng = np.random.default_rng(1)
    features = {"a": rng.normal(size=(9, 2)), "b": rng.normal(size=(9, 4))}
    new = {"a": rng.normal(size=(5, 2)), "b": rng.normal(size=(5, 4))}
    process = Process(Settings.sample(rng, 6, 2), features, rng.normal(size=9))
    weights = rng.dirichlet(np.ones(6))
    constant, means = process.mean_weights(weights)
    mean, variance = process.moments(new, weights)
    assert mean == pytest.approx(constant + sum(new[name] @ means[name] for name in new))
    assert (variance > 0).all()


def test_left_out_values_are_those_of_refitting() -> None:
    rng = np.random.default_rng(2)
    features = {"a": rng.normal(size=(7, 2)), "b": rng.normal(size=(7, 3))}
    values = rng.normal(size=7)
    settings = Settings.sample(rng, 3, 2)
    left_out = Process(settings, features, values).left_out
    for index in range(7):
        others = np.delete(np.arange(7), index)
        process = Process(
            settings, {name: group[others] for name, group in features.items()}, values[others]
        )
        row = {name: group[[index]] for name, group in features.items()}
        for setting in range(3):
            weights = np.eye(3)[setting]
            mean, _ = process.moments(row, weights)
            assert left_out[setting, index] == pytest.approx(mean[0])


def test_members_that_fail_have_little_weight(space: SearchSpace, codes: NDArray[np.int8]) -> None:
    known = devices(codes, 1, 4)
    prior = Prior(space, codes, known)
    rows = prior.design(20)
    # The processes, the ridge on known devices, the ridge on architectures.
    like = prior.fit(codes[rows], known[rows], known[rows, 0] ** 0.7 * known[rows, 1] ** 0.3)
    unlike = prior.fit(codes[rows], known[rows], additive(space, codes, 2)[rows])
    assert like.member_weights.sum() == pytest.approx(1)
    assert like.member_weights[2] < 0.1
    assert unlike.member_weights[1] < 0.1


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_transforms_are_inverted(power: float) -> None:
    latencies = np.array([0.5, 0.8, 1.1, 2.3])
    transform = Transform(power, latencies)
    logarithms, slope = transform.log_latencies(transform.values)
    assert logarithms == pytest.approx(np.log(latencies))
    step = 1e-6
    shifted, _ = transform.log_latencies(transform.values + step)
    assert (shifted - logarithms) / step == pytest.approx(slope, rel=1e-4)
    # The Jacobian is the product of the derivatives of the values by the latencies.
    assert transform.log_jacobian == pytest.approx(-np.log(slope * latencies).sum())


def test_equal_latencies_are_predicted_everywhere(
    space: SearchSpace, codes: NDArray[np.int8]
) -> None:
    costs = devices(codes, 8, 3)
    prior = Prior(space, codes, costs)
    predicted = prior.fit(codes[:5], costs[:5], np.full(5, 3.0)).predict(codes, costs)
    assert predicted == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        (np.ones(50), "costs: .*50"),
        (np.ones((19, 3)), "costs: .*19, 3"),
        (np.zeros((50, 3)), "costs: .* above 0"),
        (np.full((50, 3), np.nan), "costs: .* above 0"),
    ],
)
def test_bad_costs_are_refused(
    space: SearchSpace, codes: NDArray[np.int8], costs: Array, message: str
) -> None:
    with pytest.raises(InvalidTransfer, match=message):
        Prior(space, codes[: len(costs)], costs)


def test_bad_latencies_are_refused(space: SearchSpace, codes: NDArray[np.int8]) -> None:
    costs = devices(codes, 5, 3)
    prior = Prior(space, codes, costs)
    for count, latencies in ((2, [1.0, 2.0]), (4, [1.0, 2.0, 3.0])):
        with pytest.raises(InvalidTransfer, match="latency_ms: at least 3"):
            prior.fit(codes[:count], costs[:count], np.array(latencies))
    with pytest.raises(InvalidTransfer, match=r"latency_ms: .* above 0"):
        prior.fit(codes[:4], costs[:4], np.array([1.0, 0.0, 2.0, 3.0]))
    with pytest.raises(InvalidTransfer, match="networks: at most"):
        prior.design(len(codes) + 1)


def test_a_cost_model_of_a_new_device(make_table: MakeTable, tiny: ChainSpace) -> None:
    """Three devices that weigh kinds of blocks differently, and a fourth that does as well."""
    base = make_table(tiny)

    def device(name: str, shuffle: float, xception: float) -> LookupTable:
        factors = {"shuffle": shuffle, "xception": xception}
        blocks = {
            key: replace(cost, latency_ms=cost.latency_ms * factors.get(key.split()[0], 1.0))
            for key, cost in base.blocks.items()
        }
        return replace(base, name=name, blocks=blocks, networks=())

    sources = [device("a", 1, 3), device("b", 3, 1), device("c", 1, 1)]
    new = device("new", 2, 5).cost_model(tiny)
    codes = tiny.sample(np.random.default_rng(0), 10)
    model = transferred_model(
        tiny,
        [table.cost_model(tiny) for table in sources],
        codes,
        new.estimate(codes),
        name="new",
        networks=300,
    )
    unseen = tiny.sample(np.random.default_rng(1), 300)
    assert spearman(model.estimate(unseen), new.estimate(unseen)) > 0.95
    assert np.abs(model.estimate(unseen) / new.estimate(unseen) - 1).mean() < 0.06
    assert model.sigma is not None
    assert 0 < model.sigma < 0.3 * new.estimate(unseen).mean()
    assert (model.device, model.unit) == ("new", "ms")
    least, greatest = model.bounds()
    assert least.value < greatest.value


def test_one_comparison_serves_several_new_devices(make_table: MakeTable, tiny: ChainSpace) -> None:
    known = make_table(tiny).cost_model(tiny)
    transfer = DeviceTransfer(tiny, [known], networks=200)
    codes = transfer.design(6)
    assert codes.shape == (6, len(tiny.choices))
    unseen = tiny.sample(np.random.default_rng(2), 50)
    for factor in (2.0, 5.0):
        latency = transfer.fit(tiny.decode(codes), factor * known.estimate(codes))
        assert latency.predict(unseen) == pytest.approx(factor * known.estimate(unseen), rel=0.05)
        assert (latency.deviation(tiny.decode(unseen)) < 0.1).all()
