"""Graphs of architectures that are distributions over candidates."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from predictor.errors import InvalidValues, NotRelaxable
from spaces.graphs.relaxed import RelaxedGraphs
from spaces.space import SearchSpace


def relaxed_graphs(space: SearchSpace, probabilities: Sequence[Tensor]) -> RelaxedGraphs:
    """Build the graphs of independent probabilities of candidates, differentiably.

    Where every choice has one certain candidate they equal the architectures' graphs.

    Args:
        space: A space that has relaxed graphs: a chain or nasbench201.
        probabilities: For each choice a float tensor [candidates] or [n, candidates].

    Raises:
        NotRelaxable: The space has no relaxed graphs.
        InvalidValues: The probabilities do not fit the choices; the message names the choice.
    """
    graphs = space.relaxed_graphs(_batched(space, probabilities))
    if graphs is None:
        raise NotRelaxable(
            f"relaxed architectures are scored for chains and nasbench201, not for {space.name}"
        )
    return graphs


def _batched(space: SearchSpace, probabilities: Sequence[Tensor]) -> list[Tensor]:
    """Return probabilities as tensors [n, candidates], checked."""
    if len(probabilities) != len(space.choices):
        raise InvalidValues(
            f"{space.name} has {len(space.choices)} choices; got probabilities of"
            f" {len(probabilities)}"
        )

    batched = []
    for choice, values in zip(space.choices, probabilities, strict=True):
        if values.dim() not in (1, 2) or values.shape[-1] != len(choice.candidates):
            raise InvalidValues(
                f"{choice.key}: probabilities have the shape [{len(choice.candidates)}] or "
                f"[n, {len(choice.candidates)}], not {list(values.shape)}"
            )

        # A single distribution is a batch of one.
        batched.append(values.reshape(-1, values.shape[-1]))

    return batched
