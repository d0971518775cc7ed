"""Transfer the weights of an ensemble to one for another space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from predictor.encoders.base import Encoder
from predictor.errors import NotTransferable
from spaces.space import SearchSpace

OPERATIONS = "labels.operation.weight"
"""Embeddings of operations, [1 + operations, channels]; the first is of inputs."""

_KINDS = {
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


def transfer(
    source: Sequence[Encoder],
    source_space: SearchSpace,
    members: Sequence[Encoder],
    space: SearchSpace,
) -> None:
    """Copy the weights of a fitted ensemble into the members of one for another space.

    Member i receives those of the source's member i, modulo their number. Every tensor of equal
    name and shape is copied, the head included. An operation receives the embedding of the
    source's operation of the same kind. Tensors that the source does not have keep their weights,
    and so do positions unless both spaces have equally many.

    Args:
        source: Encoders of an ensemble fitted on `source_space`.
        source_space: The space whose architectures `source` scores.
        members: Encoders of the same class and sizes, with random weights.
        space: The space whose architectures `members` score.

    Raises:
        NotTransferable: The encoder has no embeddings of operations.
    """
    states = [encoder.state_dict() for encoder in source]
    if OPERATIONS not in states[0]:
        raise NotTransferable(
            f"{source[0].name} has no embeddings of operations, which spaces share; take gates"
        )

    source_kinds = [operation_kind(operation) for operation in source_space.operations]

    # Row 0 is the input's, so that the operations' rows begin at 1.
    source_rows = {
        row: source_kinds.index(kind) + 1
        for row, kind in enumerate(map(operation_kind, space.operations), 1)
        if kind in source_kinds
    }
    for index, member in enumerate(members):
        state = states[index % len(states)]
        member.load_state_dict(_merged(state, member.state_dict(), source_rows))


def operation_kind(operation: str) -> str:
    """Return the name that operations of one kind share across spaces."""
    return _KINDS.get(operation, operation)


def _merged(
    source: Mapping[str, Tensor], target: Mapping[str, Tensor], source_rows: Mapping[int, int]
) -> dict[str, Tensor]:
    """Return the state `target` with the tensors that `source` has in the same shape."""
    merged = dict(target)
    for name, tensor in target.items():
        if name in source and source[name].shape == tensor.shape:
            merged[name] = source[name]

    # Row 0, the input's, means the same in every space; other rows are matched by operation.
    embeddings = target[OPERATIONS].clone()
    embeddings[0] = source[OPERATIONS][0]
    for row, source_row in source_rows.items():
        embeddings[row] = source[OPERATIONS][source_row]
    merged[OPERATIONS] = embeddings
    return merged
