"""Transfer between spaces: an ensemble begins with the weights of one that was trained on another
space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from predictor.encoders.base import Encoder
from predictor.errors import NotTransferable
from spaces.space import SearchSpace

if TYPE_CHECKING:
    from predictor.ensemble.predictor import GraphPredictor

OPERATIONS = "labels.operation.weight"
"""Embeddings of operations, [1 + operations, channels]; the first is of inputs."""

_ALIKE = {
    "nor_conv_3x3": "conv3x3",
    "conv3x3-bn-relu": "conv3x3",
    "nor_conv_1x1": "conv1x1",
    "conv1x1-bn-relu": "conv1x1",
    "avg_pool_3x3": "pool",
    "max_pool_3x3": "pool",
    "maxpool3x3": "pool",
    "skip_connect": "skip",
    "identity": "skip",
}


def source(path: str | Path, encoder: str) -> GraphPredictor:
    """The predictor of a file, to transfer from to predictors of the kind `encoder`.

    Raises:
        NotTransferable: that is no encoder, or the file's is another.
        InvalidPredictor: the file holds none.
    """
    from predictor.ensemble.predictor import GraphPredictor
    from predictor.registry import ENCODERS, load

    if encoder not in ENCODERS:
        raise NotTransferable(f"{encoder} has no weights to begin with those of {path}; take gates")
    found = load(path)
    kind = found.encoder if isinstance(found, GraphPredictor) else found.kind
    if not isinstance(found, GraphPredictor) or kind != encoder:
        raise NotTransferable(
            f"{path} is a predictor of the kind {kind}; {encoder} begins with one of its own"
        )
    return found


def transfer(source: GraphPredictor, space: SearchSpace, members: Sequence[Encoder]) -> None:
    """Give members the weights of a fitted ensemble's members, in turn.

    Every tensor of equal name and shape is taken, the head among them. An operation takes the
    embedding of the one of its name, or of its like by another name; what the other space does not
    have stays as it is, and so do positions, unless there are equally many.

    Args:
        source: fitted on another space; its encoder is that of the members.
        space: of the members.
        members: with fresh weights and `source`'s sizes.

    Raises:
        NotTransferable: the encoder does not see operations.
    """
    given = [encoder.state_dict() for encoder in source.encoders]
    if OPERATIONS not in given[0]:
        raise NotTransferable(
            f"{source.encoder} has no embeddings of operations, which spaces share; take gates"
        )
    theirs, ours = (list(map(kind_of, each.operations)) for each in (source.space, space))
    rows = {place + 1: theirs.index(kind) + 1 for place, kind in enumerate(ours) if kind in theirs}
    for place, member in enumerate(members):
        member.load_state_dict(_taken(given[place % len(given)], member.state_dict(), rows))


def kind_of(operation: str) -> str:
    """What an operation is, whatever its space calls it."""
    return _ALIKE.get(operation, operation)


def _taken(
    given: Mapping[str, Tensor], own: Mapping[str, Tensor], rows: Mapping[int, int]
) -> dict[str, Tensor]:
    taken = {
        name: given[name] if name in given and given[name].shape == own[name].shape else own[name]
        for name in own
    }
    embeddings = own[OPERATIONS].clone()
    embeddings[0] = given[OPERATIONS][0]
    for row, from_row in rows.items():
        embeddings[row] = given[OPERATIONS][from_row]
    return {**taken, OPERATIONS: embeddings}
