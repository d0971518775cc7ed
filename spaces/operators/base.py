"""The protocol of operators, and their registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from spaces.operators.layers import Branch, Shape
from spaces.plugins import Registry

if TYPE_CHECKING:
    from spaces.block import Block

Arrangement: TypeAlias = Literal[
    "chain", "shuffle", "sum", "residual", "halves", "attention", "gate", "recurrent"
]
"""How the branches of a block are combined; see `spaces.modules.blocks`.

chain: `main` alone, plus the block's input where it has a shortcut. shuffle: ShuffleNetV2's
split and concatenation. sum: `main` plus `proj`. residual: ReLU of `main` plus `proj`, or
plus the input where there is none. halves: `first` on the input and `second` on the
input shifted by one pixel, concatenated, between `before` and `behind`. attention: `main` plus the
block's input, and with a cache also the keys and values of its tokens. gate: `main` times `gate`,
which has one pixel. recurrent: a part of `spaces.modules.recurrent_parts`.
"""


class Operator(Protocol):
    """A description of the blocks of one operator."""

    arrangement: Arrangement

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        """Return branch name -> the branch's layers in order and the shape of its input."""


OPERATORS = Registry[Operator](
    "operator",
    "pathfit.operators",
    {
        "binary_conv": "spaces.operators.binary",
        "binary_conv_tensor": "spaces.operators.binary",
        "binary_conv_unscaled": "spaces.operators.binary",
        "binary_pair": "spaces.operators.binary",
        "binary_reduce": "spaces.operators.binary",
        "binary_reduce_pair": "spaces.operators.binary",
        "relu_conv": "spaces.operators.cell",
        "sep_conv": "spaces.operators.cell",
        "dil_conv": "spaces.operators.cell",
        "factorized_reduce": "spaces.operators.cell",
        "residual_reduce": "spaces.operators.cell",
        "addition": "spaces.operators.cell",
        "constant_addition": "spaces.operators.cell",
        "mbconv": "spaces.operators.mobile",
        "fbnet": "spaces.operators.mobile",
        "conv": "spaces.operators.plain",
        "conv_act": "spaces.operators.plain",
        "classifier": "spaces.operators.plain",
        "linear": "spaces.operators.plain",
        "linear_dropout": "spaces.operators.plain",
        "avg_pool": "spaces.operators.plain",
        "max_pool": "spaces.operators.plain",
        "global_pool": "spaces.operators.plain",
        "predictor": "spaces.operators.heads",
        "embedding": "spaces.operators.text",
        "attention": "spaces.operators.text",
        "feed_forward": "spaces.operators.text",
        "token_scores": "spaces.operators.text",
        "residual_basic": "spaces.operators.residual",
        "residual_bottleneck": "spaces.operators.residual",
        "separable": "spaces.operators.heads",
        "conv_bias": "spaces.operators.heads",
        "resize_nearest": "spaces.operators.heads",
        "resize_bilinear": "spaces.operators.heads",
        "weighted_sum": "spaces.operators.heads",
        "gated_conv": "spaces.operators.heads",
        "token_vectors": "spaces.operators.recurrent",
        "recurrent_input": "spaces.operators.recurrent",
        "recurrent_node": "spaces.operators.recurrent",
        "tied_scores": "spaces.operators.recurrent",
        "shuffle": "spaces.operators.shuffle",
        "xception": "spaces.operators.shuffle",
    },
)
"""Name -> operator; importing a module of the table registers its operators."""


def register_operator(name: str, operator: Operator) -> None:
    """Add an operator that blocks may name; a name can be taken once."""
    OPERATORS.add(name, operator)


def operator(name: str) -> Operator:
    """Return the operator of a name; raises UnknownName."""
    return OPERATORS.get(name)
