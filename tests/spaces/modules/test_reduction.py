"""Reductions of tensors and of containers of tensors."""

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from spaces.errors import InvalidParameter
from spaces.modules.reduction import reduced, scaled

ONES = torch.ones(2, 3)


class Output(NamedTuple):
    """An output as transformers return it."""

    hidden: Tensor
    lengths: Tensor
    cache: None = None


def test_containers_are_reduced_tensor_by_tensor() -> None:
    nested = (ONES, [2 * ONES, {"loss": 3 * ONES}])
    total = reduced("sum", [nested, nested])
    mean = reduced("mean", [nested, nested])
    joined = reduced("concat", [nested, nested])

    assert torch.equal(total[1][1]["loss"], 6 * ONES)
    assert torch.equal(mean[1][0], 2 * ONES)
    assert joined[0].shape == (2, 6)
    assert reduced("none", [nested, nested]) == [nested, nested]


def test_values_without_a_weighted_sum_pass_unchanged() -> None:
    lengths = torch.tensor([3, 2])
    weights = [torch.tensor(0.25), torch.tensor(0.75)]
    outputs = [scaled(Output(ONES, lengths), weight) for weight in weights]
    mixture = reduced("sum", outputs)

    assert isinstance(mixture, Output)
    assert torch.equal(mixture.hidden, ONES)
    assert torch.equal(mixture.lengths, lengths)
    assert mixture.cache is None


def test_packed_sequences_are_mixed() -> None:
    sequences = pack_sequence([torch.ones(3, 2), torch.ones(1, 2)])
    mixture = reduced("sum", [scaled(sequences, torch.tensor(0.5)) for _ in range(3)])

    assert isinstance(mixture, PackedSequence)
    assert torch.equal(mixture.data, 1.5 * sequences.data)
    assert torch.equal(mixture.batch_sizes, sequences.batch_sizes)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ([(ONES,), ONES], "a tensor of float32 and a tuple of 1"),
        ([(ONES,), (ONES, ONES)], "a tuple of 1 and a tuple of 2"),
        ([{"a": ONES}, {"b": ONES}], "a dict of 1"),
        ([(torch.tensor([1]),), (torch.tensor([2]),)], "a tensor of int64"),
        ([(None,), (ONES,)], "None and a tensor of float32"),
    ],
)
def test_outputs_of_different_forms_are_refused(outputs: list[Any], message: str) -> None:
    with pytest.raises(InvalidParameter, match=f"need one form; these are {message}"):
        reduced("sum", outputs)
