"""Rankings from several proxies."""

import numpy as np
import pytest

from predictor.errors import InvalidValues
from predictor.metrics import kendall_tau
from predictor.proxies.aggregation import first_component, log_rank_sum, rank_sum

AGGREGATIONS = [log_rank_sum, rank_sum, first_component]


@pytest.mark.parametrize("aggregate", AGGREGATIONS)
def test_equal_proxies_keep_their_ranking(aggregate) -> None:
    values = np.random.default_rng(0).normal(size=50)
    # A monotonic map leaves ranks as they are.
    columns = {"first": values, "second": np.exp(values)}
    assert kendall_tau(aggregate(columns), values) == 1


def test_logarithms_punish_a_bad_rank_more_than_a_mean() -> None:
    balanced = np.array([1.0, 2.0, 3.0, 4.0])
    extreme = np.array([4.0, 2.0, 3.0, 1.0])
    columns = {"first": balanced, "second": extreme}

    # The first and the last have the ranks 1 and 4, those between have 2, 2 and 3, 3.
    assert np.argmax(log_rank_sum(columns)) == 2
    assert log_rank_sum(columns)[1] == pytest.approx(log_rank_sum(columns)[0])
    assert rank_sum(columns).tolist() == [0.625, 0.5, 0.75, 0.625]


def test_the_component_follows_the_proxies_that_agree() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=300)
    columns = {f"good_{index}": truth + rng.normal(size=300) for index in range(3)}
    columns |= {"noise": rng.normal(size=300), "constant": np.ones(300)}

    component = kendall_tau(first_component(columns), truth)
    assert component > kendall_tau(rank_sum(columns), truth)
    assert component > max(
        kendall_tau(values, truth) for values in columns.values() if np.ptp(values)
    )


@pytest.mark.parametrize("aggregate", AGGREGATIONS)
@pytest.mark.parametrize("columns", [{}, {"a": np.ones(2), "b": np.ones(3)}, {"a": np.ones(0)}])
def test_columns_of_other_sizes_are_refused(aggregate, columns) -> None:
    with pytest.raises(InvalidValues, match="columns of the same size"):
        aggregate(columns)
