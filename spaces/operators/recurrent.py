"""Operators of recurrent language models: token vectors, initial state, nodes and tied scores.

Shapes are (tokens,) and (tokens, features); every token of a window runs every block once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.operators.base import Arrangement, register_operator
from spaces.operators.layers import Branch, Projection, Shape

if TYPE_CHECKING:
    from spaces.block import Block


class TokenVectorsOperator:
    """The learned vector of each token; its weights count at the scores, which share them."""

    arrangement: Arrangement = "recurrent"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        return {"main": ((), block.input)}


class RecurrentInputOperator:
    """The first state of a cell, from a token's vector and the state before."""

    arrangement: Arrangement = "recurrent"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        width = block.input[1]
        return {"main": ((Projection(2 * width, 2 * width),), block.input)}


class RecurrentNodeOperator:
    """A node of a cell: a matrix, a gate and the block's activation."""

    arrangement: Arrangement = "recurrent"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        width = block.input[1]
        return {"main": ((Projection(width, 2 * width),), block.input)}


class TiedScoresOperator:
    """A score of every token, by the vectors of the embedding and a bias."""

    arrangement: Arrangement = "recurrent"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        layer = Projection(block.input[1], block.output[1], bias=True)
        return {"main": ((layer,), block.input)}


register_operator("token_vectors", TokenVectorsOperator())
register_operator("recurrent_input", RecurrentInputOperator())
register_operator("recurrent_node", RecurrentNodeOperator())
register_operator("tied_scores", TiedScoresOperator())
