"""Looking networks up: one, many, in any order, under any labelling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spaces
from spaces.errors import UnknownName
from tables.benchmarks import Benchmark
from tables.benchmarks.errors import InvalidBenchmark, NotInBenchmark
from tables.benchmarks.records import Column, Records
from tables.evaluation import scores
from tables.metrics import Metric

SPACE = spaces.get("nasbench201")
RNG = np.random.default_rng(0)
CODES = np.unique(SPACE.sample(RNG, 400), axis=0)[RNG.permutation(200)]
COLUMNS: dict[Column, np.ndarray] = {
    ("cifar10_valid_acc", 12): RNG.random(200) * 50,
    ("cifar10_valid_acc", 200): RNG.random(200) * 100,
    ("latency_ms@raspi4", None): RNG.random(200) + 1,
}
BENCHMARK = Benchmark("made-up", Records(SPACE.name, SPACE.check(CODES), COLUMNS))


@given(rows=st.lists(st.integers(0, 199), max_size=30))
def test_a_query_gives_the_row_of_every_architecture(rows: list[int]) -> None:
    for (metric, epochs), values in COLUMNS.items():
        found = BENCHMARK.query(CODES[rows], metric, epochs)
        assert found.tolist() == values[rows].tolist()
        architectures = SPACE.decode(CODES[rows])
        assert BENCHMARK.query(architectures, metric, epochs).tolist() == found.tolist()
        assert [BENCHMARK.query(one, metric, epochs) for one in architectures] == found.tolist()


def test_without_epochs_the_longest_training_counts_and_without_metric_validation() -> None:
    assert BENCHMARK.default_metric == "cifar10_valid_acc"
    assert BENCHMARK.epochs("cifar10_valid_acc") == (12, 200)
    assert BENCHMARK.epochs("latency_ms@raspi4") == ()
    assert BENCHMARK.query(CODES).tolist() == COLUMNS["cifar10_valid_acc", 200].tolist()
    assert BENCHMARK.values().tolist() == COLUMNS["cifar10_valid_acc", 200].tolist()


def test_metrics_tell_unit_and_direction_and_the_best_follows() -> None:
    assert BENCHMARK.metrics["cifar10_valid_acc"] == Metric("percent", True)
    assert BENCHMARK.metrics["latency_ms@raspi4"] == Metric("ms", measured=True)
    for (metric, epochs), values in COLUMNS.items():
        row = int(values.argmin() if metric.startswith("latency") else values.argmax())
        architecture, value = BENCHMARK.best(metric, epochs)
        assert (SPACE.encode([architecture])[0].tolist(), value) == (
            CODES[row].tolist(),
            values[row],
        )


def test_an_architecture_outside_is_named() -> None:
    inside = {tuple(row) for row in CODES.tolist()}
    everything = next(iter(SPACE.enumerate_codes()))
    outside = np.array([row for row in everything if tuple(row.tolist()) not in inside][:3])
    with pytest.raises(
        NotInBenchmark,
        match=r"^3 of 5 architectures are not among the 200 of made-up; the first is ",
    ) as e:
        BENCHMARK.query(np.concatenate([CODES[:2], outside]))
    assert SPACE.decode(outside)[0].to_json() in str(e.value)


def test_unknown_metrics_epochs_and_spaces_are_named() -> None:
    with pytest.raises(
        UnknownName,
        match="unknown metric of made-up 'top1'; available: cifar10_valid_acc, latency_ms@",
    ):
        BENCHMARK.query(CODES, "top1")
    with pytest.raises(
        UnknownName,
        match="unknown number of epochs for cifar10_valid_acc of made-up 5; available: 12, 200",
    ):
        BENCHMARK.query(CODES, epochs=5)
    with pytest.raises(
        spaces.errors.InvalidArchitecture,
        match="an architecture of spos-tiny was given to nasbench201",
    ):
        BENCHMARK.query(spaces.get("spos-tiny").architecture([0] * 6))


def test_what_a_row_lacks_is_never_given_as_a_number() -> None:
    values = np.array([1.0, np.nan, 3.0])
    some = Benchmark(
        "some", Records(SPACE.name, SPACE.check(CODES[:3]), {("cifar10_test_acc", 200): values})
    )
    assert np.isnan(some.values()[1])
    assert some.best()[1] == 3.0
    assert some.query(CODES[[0, 2]]).tolist() == [1.0, 3.0]
    with pytest.raises(
        NotInBenchmark,
        match=r"some has no cifar10_test_acc of 1 of 2 architectures, .* of 2 of its 3$",
    ):
        some.query(CODES[:2])


def test_known_rows_have_every_requested_metric() -> None:
    columns = {
        ("cifar10_test_acc", 12): np.array([np.nan] * 4),
        ("cifar10_test_acc", 200): np.array([1.0, np.nan, 3.0, 4.0]),
        ("latency_ms@phone", None): np.array([np.nan, 2.0, 3.0, 4.0]),
    }
    some = Benchmark("some", Records(SPACE.name, SPACE.check(CODES[:4]), columns))
    assert some.known_rows().tolist() == [0, 2, 3]
    assert some.known_rows("latency_ms@phone").tolist() == [1, 2, 3]
    assert some.known_rows("cifar10_test_acc", "latency_ms@phone").tolist() == [2, 3]
    with pytest.raises(NotInBenchmark, match="some has cifar10_test_acc of none of its 4"):
        some.best(epochs=12)


def test_what_is_handed_out_cannot_be_written_to() -> None:
    for array in (BENCHMARK.codes(), BENCHMARK.values()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert BENCHMARK.space is SPACE
    assert [SPACE.encode([one])[0].tolist() for one in BENCHMARK.architectures()] == CODES.tolist()


def test_a_row_twice_and_a_metric_without_unit_are_refused() -> None:
    twice = Records(
        SPACE.name, SPACE.check(CODES[[0, 1, 0]]), {("cifar10_test_acc", 200): np.zeros(3)}
    )
    with pytest.raises(InvalidBenchmark, match="an architecture occurs twice"):
        Benchmark("twice", twice).query(CODES[:1])
    with pytest.raises(InvalidBenchmark, match="the column 'colour' is not named after a metric"):
        Benchmark(
            "odd", Records(SPACE.name, SPACE.check(CODES[:1]), {("colour", None): np.zeros(1)})
        )


def test_evaluations_hold_what_was_looked_up_with_the_source() -> None:
    found = BENCHMARK.evaluations(CODES[:4], "cifar10_valid_acc", "latency_ms@raspi4")
    assert [one.metrics["latency_ms@raspi4"] for one in found] == COLUMNS[
        "latency_ms@raspi4", None
    ][:4].tolist()
    assert {one.source["kind"] for one in found} == {"benchmark"}
    assert scores(found, "latency_ms@raspi4") == (-COLUMNS["latency_ms@raspi4", None][:4]).tolist()
    assert scores(found, "cifar10_valid_acc") == COLUMNS["cifar10_valid_acc", 200][:4].tolist()
