"""Models of several inputs: positional tensors, keywords, and structures of tensors."""

from collections import UserDict
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import spaces
from spaces import LayerChoice
from spaces.errors import InvalidParameter
from spaces.user_model.space import ModelSpace


class TwoTowers(nn.Module):
    """Scores of a query and a document; the second tower has a choice, too."""

    def __init__(self) -> None:
        super().__init__()
        self.query = LayerChoice({"narrow": nn.Linear(6, 8), "wide": wide(6)}, key="query")
        self.document = LayerChoice({"narrow": nn.Linear(10, 8), "wide": wide(10)}, key="document")
        self.head = nn.Linear(16, 3)

    def forward(self, query: Tensor, document: Tensor) -> Tensor:
        towers = [self.query(query), self.document(document)]
        scores: Tensor = self.head(torch.cat(towers, 1))
        return scores


def wide(size: int) -> nn.Module:
    return nn.Sequential(nn.Linear(size, 32), nn.ReLU(), nn.Linear(32, 8))


class Masked(nn.Module):
    """Attention over tokens with a mask of those that are padding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.attention = LayerChoice({"h2": attention(2), "h4": attention(4)}, key="attention")
        self.head = nn.Linear(16, 4)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        x = self.embedding(tokens)
        x, _ = self.attention(x, x, x, key_padding_mask=mask, need_weights=False)
        logits: Tensor = self.head(x.mean(1))
        return logits


def attention(heads: int) -> nn.Module:
    return nn.MultiheadAttention(16, heads, batch_first=True)


class Whole(nn.Module):
    """A model whose only argument is a dictionary with a pair in it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = LayerChoice({"narrow": nn.Linear(6, 8), "wide": wide(6)}, key="layer")
        self.head = nn.Linear(8, 2)

    def forward(self, batch: dict[str, Any]) -> Tensor:
        first, second = batch["pair"]
        logits: Tensor = self.head(self.layer(first + second) * batch["scale"])
        return logits


class Pair(NamedTuple):
    query: Tensor
    document: Tensor


TOWERS = (torch.randn(2, 6), torch.randn(2, 10))
MASK = torch.tensor([[False] * 7 + [True] * 2])
TOKENS = {"tokens": torch.randint(50, (1, 9)), "mask": MASK}
WHOLE = {"pair": [torch.randn(1, 6), torch.randn(1, 6)], "scale": 2.0}


@pytest.mark.parametrize(
    ("model", "example", "shapes"),
    [
        (TwoTowers, TOWERS, {"query": (6,), "document": (10,)}),
        (TwoTowers, list(TOWERS), {"query": (6,), "document": (10,)}),
        (TwoTowers, Pair(*TOWERS), {"query": (6,), "document": (10,)}),
        (TwoTowers, Pair(*TOWERS)._asdict(), {"query": (6,), "document": (10,)}),
        (Masked, TOKENS, {"tokens": (9,), "mask": (9,)}),
        (Masked, UserDict(TOKENS), {"tokens": (9,), "mask": (9,)}),
        (Whole, WHOLE, {"pair_0": (6,), "pair_1": (6,)}),
    ],
)
def test_networks_compute_what_the_model_does(
    model: type[nn.Module], example: Any, shapes: dict[str, tuple[int, ...]]
) -> None:
    torch.manual_seed(0)
    space = spaces.from_model(model(), example)
    assert space.input_shapes == shapes

    inputs = space.random_input(next(space.enumerate()), 3, torch.Generator().manual_seed(0))
    supernet = space.supernet().eval()
    for architecture in space.enumerate():
        supernet.activate(architecture)
        outputs = space.network(architecture).eval()(inputs)
        assert torch.equal(outputs, supernet(inputs))
        assert outputs.shape == (3, space.num_classes)


def test_arguments_may_be_passed_one_by_one() -> None:
    space = spaces.from_model(TwoTowers(), TOWERS)
    network = space.network(next(space.enumerate())).eval()
    query, document = TOWERS
    assert torch.equal(network(TOWERS), network(query, document))
    assert torch.equal(network(TOWERS), network(query=query, document=document))


def test_counts_are_those_of_both_towers() -> None:
    space = spaces.from_model(TwoTowers(), TOWERS)
    narrow = {"query": 6 * 8, "document": 10 * 8}
    expanded = {"query": 6 * 32 + 32 * 8, "document": 10 * 32 + 32 * 8}
    for architecture in space.enumerate():
        macs = 16 * 3
        for key, name in architecture.choices.items():
            macs += (narrow if name == "narrow" else expanded)[key]
        assert space.macs(architecture) == macs
        parameters = space.network(architecture).parameters()
        assert space.params(architecture) == sum(value.numel() for value in parameters)
    assert space.additive


def test_both_inputs_lead_to_their_choices() -> None:
    space = spaces.from_model(TwoTowers(), TOWERS)
    assert isinstance(space, ModelSpace)
    edges = space.trace(space.encode([next(space.enumerate())])[0]).edges
    assert edges == {0: frozenset({0}), 1: frozenset({0})}


def test_random_inputs_keep_masks_and_draw_tokens_of_the_example() -> None:
    space = spaces.from_model(Masked(), TOKENS)
    inputs = space.random_input(next(space.enumerate()), 4, torch.Generator().manual_seed(0))
    assert torch.equal(inputs["mask"], MASK.expand(4, -1))
    assert inputs["tokens"].shape == (4, 9)
    assert set(inputs["tokens"].flatten().tolist()) <= set(TOKENS["tokens"].flatten().tolist())


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ((), "must be a tensor with at least one image"),
        ({"tokens": 3}, "must be a tensor with at least one image"),
        ("text", "must be a tensor with at least one image"),
        ((torch.zeros(0, 6), torch.zeros(0, 10)), "must be a tensor with at least one image"),
        ((torch.zeros(2, 6), torch.zeros(3, 10)), "query has 2 elements and document has 3"),
        ((torch.zeros(2, 6), torch.tensor(1.0)), "must be a tensor with at least one image"),
    ],
)
def test_examples_without_a_common_batch_are_refused(example: Any, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        spaces.from_model(TwoTowers(), example)
