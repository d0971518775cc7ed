"""Multiply-accumulates of operators, next to counts by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import flop_registry, register_flop_formula

import spaces
from spaces import LayerChoice
from spaces.errors import InvalidParameter
from spaces.user_model.macs import MacCounter

STEPS = 7


class Recurrent(nn.Module):
    """A choice of the number of layers of a recurrent network."""

    def __init__(self, kind: Any, **options: Any) -> None:
        super().__init__()
        self.layers = LayerChoice(
            [kind(13, 16, depth, batch_first=True, **options) for depth in (1, 2)]
        )

    def forward(self, x: Tensor) -> Tensor:
        output, _ = self.layers(x)
        features: Tensor = output[:, -1]
        return features


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (nn.LSTM, {}),
        (nn.LSTM, {"bidirectional": True}),
        (nn.LSTM, {"bias": False}),
        (nn.GRU, {}),
        (nn.RNN, {}),
    ],
)
def test_each_weight_of_a_recurrent_layer_counts_once_a_step(
    kind: Any, options: dict[str, Any], dtype: torch.dtype
) -> None:
    model = Recurrent(kind, **options).to(dtype)
    space = spaces.from_model(model, torch.randn(2, STEPS, 13, dtype=dtype))
    for architecture in space.enumerate():
        names = space.network(architecture).named_parameters()
        weights = sum(value.numel() for _, value in names if value.ndim == 2)
        assert space.macs(architecture) == STEPS * weights


def padded_sequences(x: Tensor) -> Tensor:
    layer = nn.LSTM(4, 5, batch_first=True).to(x)
    packed = nn.utils.rnn.pack_padded_sequence(x, [3, 2], batch_first=True)
    output: Tensor = layer(packed)[0].data
    return output


# Name -> computation on x [2, 3, 4], and its MACs.
PRODUCTS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "matmul": (lambda x: x @ x.mT, 2 * 3 * 3 * 4),
    "bmm": (lambda x: torch.bmm(x, x.mT), 2 * 3 * 3 * 4),
    "baddbmm": (lambda x: torch.baddbmm(x.new_zeros(()), x, x.mT), 2 * 3 * 3 * 4),
    "addbmm": (lambda x: torch.addbmm(x.new_zeros(()), x, x.mT), 2 * 3 * 3 * 4),
    "einsum": (lambda x: torch.einsum("bij,bkj->bik", x, x), 2 * 3 * 3 * 4),
    "einsum over two axes": (lambda x: torch.einsum("bij,kj->bik", x, x[0]), 2 * 3 * 3 * 4),
    "tensordot": (lambda x: torch.tensordot(x, x, ([2], [2])), 6 * 6 * 4),
    "linear": (lambda x: functional.linear(x, x[0], x[0, :, 0]), 6 * 3 * 4),
    "addmm": (lambda x: torch.addmm(x.new_zeros(()), x[0], x[1].mT), 3 * 3 * 4),
    "addmm in place": (lambda x: x.new_zeros(3, 3).addmm_(x[0], x[1].mT), 3 * 3 * 4),
    "mv": (lambda x: torch.mv(x[0], x[0, 0]), 3 * 4),
    "addmv": (lambda x: torch.addmv(x.new_zeros(()), x[0], x[0, 0]), 3 * 4),
    "dot": (lambda x: torch.dot(x[0, 0], x[0, 1]), 4),
    "addr": (lambda x: torch.addr(x.new_zeros(()), x[0, 0], x[0, 1]), 4 * 4),
    "bilinear": (lambda x: functional.bilinear(x, x, x.new_zeros(5, 4, 4)), 6 * 5 * 4 * 4),
    "attention": (lambda x: functional.scaled_dot_product_attention(x, x, x), 2 * 2 * 3 * 3 * 4),
    "LSTM of sequences of 3 and 2 steps": (padded_sequences, 5 * 20 * (4 + 5)),
    "sum": (lambda x: x.sum() + x.exp().mean(), 0),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("product", PRODUCTS)
def test_products_count_as_by_hand(product: str, dtype: torch.dtype) -> None:
    compute, by_hand = PRODUCTS[product]
    x = torch.randn(2, 3, 4, dtype=dtype)
    counter = MacCounter([])
    with torch.no_grad(), counter:
        compute(x)
    assert counter.macs == by_hand
    assert not counter.unknown


@torch.library.custom_op("pathfit_tests::scaled_product", mutates_args=())
def scaled_product(x: Tensor, weight: Tensor) -> Tensor:
    return 2 * (x @ weight)


class Custom(nn.Module):
    """A layer of an operator that torch does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.choice = LayerChoice([nn.Identity(), nn.ReLU()])
        self.weight = nn.Parameter(torch.ones(4, 5))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = scaled_product(self.choice(x), self.weight)
        return output


def test_an_unknown_operator_with_parameters_is_refused() -> None:
    with pytest.raises(
        InvalidParameter, match=r"Custom: the MACs of pathfit_tests.scaled_product .*register_flop"
    ):
        spaces.from_model(Custom(), torch.zeros(1, 4))


def test_a_registered_formula_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = torch.ops.pathfit_tests.scaled_product
    # Restored after the test, as the registry is torch's own.
    monkeypatch.setitem(flop_registry, operator, None)
    del flop_registry[operator]

    @register_flop_formula(operator)
    def flops(x: Any, weight: Any, **_: Any) -> int:
        return 2 * int(x[0] * weight[0] * weight[1])

    space = spaces.from_model(Custom(), torch.zeros(1, 4))
    assert space.macs(space.architecture([0])) == 4 * 5


def test_an_operator_without_parameters_counts_as_nothing() -> None:
    counter = MacCounter(nn.Linear(4, 4).parameters())
    with torch.no_grad(), counter:
        scaled_product(torch.ones(2, 4), torch.ones(4, 5))
    assert (counter.macs, counter.unknown) == (0, {})


def test_views_of_parameters_are_passed_to_submodules() -> None:
    class ClassAttention(nn.Module):
        """A class token that is expanded over the batch, as in CaiT."""

        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.randn(1, 1, 16))
            self.norm = nn.LayerNorm(16)
            self.query = nn.Linear(16, 16)
            self.key_value = nn.Linear(16, 32)
            self.activation = LayerChoice([nn.GELU(), nn.ReLU()])

        def forward(self, x: Tensor) -> Tensor:
            x = self.activation(x)
            query = self.query(self.norm(self.token.expand(len(x), -1, -1)))
            key, value = self.key_value(x).chunk(2, -1)
            attended: Tensor = (query @ key.mT).softmax(-1) @ value
            return attended[:, 0]

    space = spaces.from_model(ClassAttention(), torch.randn(2, 9, 16))
    assert space.macs(space.architecture([0])) == 16 * 16 + 9 * 16 * 32 + 2 * 9 * 16
