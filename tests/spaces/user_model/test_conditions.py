"""Nested choices: which codes are canonical, and how many."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spaces.user_model.conditions import ALWAYS, Chain, Chains, canonical, count, holds


def brute_force(conditions: list[Chains], candidates: list[int]) -> int:
    rows = np.array(list(itertools.product(*map(range, candidates))), dtype=np.int8)
    return len(np.unique(canonical(conditions, rows), axis=0))


def test_what_has_no_effect_is_zero() -> None:
    conditions: list[Chains] = [
        ALWAYS,
        (((0, frozenset({1})),),),
        (((0, frozenset({1})), (1, frozenset({2}))),),
    ]
    codes = np.array([[0, 2, 1], [1, 2, 1], [1, 1, 1]], dtype=np.int8)
    assert canonical(conditions, codes).tolist() == [[0, 0, 0], [1, 2, 1], [1, 1, 0]]
    assert holds(conditions[2], codes).tolist() == [False, True, False]
    assert count(conditions, [2, 3, 2]) == brute_force(conditions, [2, 3, 2]) == 1 + (2 + 2)


def test_a_choice_that_is_never_there_counts_once() -> None:
    assert count([ALWAYS, ()], [3, 5]) == 3


def test_a_key_at_two_places_counts_where_one_is_there() -> None:
    either: Chains = (((0, frozenset({1})),), ((1, frozenset({0})),))
    conditions: list[Chains] = [ALWAYS, ALWAYS, either]
    assert count(conditions, [2, 2, 3]) == brute_force(conditions, [2, 2, 3]) == 1 + 3 * 3


def test_large_spaces_are_counted_at_once() -> None:
    conditions: list[Chains] = []
    for stage in range(30):  # each: a depth of 1 to 4, and four choices of 5
        conditions.append(ALWAYS)
        conditions += [
            (((stage * 5, frozenset(range(index, 4))),),) if index else ALWAYS for index in range(4)
        ]
    assert count(conditions, [4, 5, 5, 5, 5] * 30) == (5 + 25 + 125 + 625) ** 30


@given(st.data())
def test_counting_is_that_of_listing(data: st.DataObject) -> None:
    """Random trees of choices, some of whose keys stand at two places."""
    candidates = data.draw(st.lists(st.integers(2, 3), min_size=1, max_size=6))
    placed: list[tuple[int, Chain]] = []
    conditions: list[Chains] = []
    for column in range(len(candidates)):
        chains: list[Chain] = []
        for _ in range(data.draw(st.integers(1, 2))):
            outer = data.draw(st.sampled_from([None, *placed]))
            if outer is None:
                chains.append(())
            else:
                holder, above = outer
                codes = data.draw(st.sets(st.integers(0, candidates[holder] - 1), min_size=1))
                chains.append((*above, (holder, frozenset(codes))))
        placed += [(column, chain) for chain in chains]
        conditions.append(ALWAYS if () in chains else tuple(dict.fromkeys(chains)))
    assert count(conditions, candidates) == brute_force(conditions, candidates)
