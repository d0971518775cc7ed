"""Graphs of architectures that are distributions over candidates, for gradients to flow through."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from predictor.errors import InvalidValues, NotRelaxable
from spaces.relaxed import RelaxedGraphs
from spaces.space import SearchSpace


def relaxed_graphs(space: SearchSpace, probabilities: Sequence[Tensor]) -> RelaxedGraphs:
    """The graphs of independent probabilities of candidates.

    A node of a chain is the mixture of its candidates. An edge of NAS-Bench-201 is there as far as
    it carries something, something arrives, and what it gives arrives at the output; equal to the
    graph where one candidate is certain.

    Args:
        space: a chain, or nasbench201.
        probabilities: for each choice a float tensor [candidates] or [n, candidates].

    Raises:
        NotRelaxable: a space of another kind.
        InvalidValues: the probabilities do not fit the choices; the choice is named.
    """
    given = _checked(space, probabilities)
    graphs = space.relaxed_graphs(given)
    if graphs is None:
        raise NotRelaxable(
            f"relaxed architectures are scored for chains and nasbench201, not for {space.name}"
        )
    return graphs


def _checked(space: SearchSpace, probabilities: Sequence[Tensor]) -> list[Tensor]:
    if len(probabilities) != len(space.choices):
        raise InvalidValues(
            f"{space.name} has {len(space.choices)} choices; got probabilities of"
            f" {len(probabilities)}"
        )
    found = []
    for choice, values in zip(space.choices, probabilities, strict=True):
        if values.dim() not in (1, 2) or values.shape[-1] != len(choice.candidates):
            raise InvalidValues(
                f"{choice.key}: probabilities have the shape [{len(choice.candidates)}] or "
                f"[n, {len(choice.candidates)}], not {list(values.shape)}"
            )
        found.append(values.reshape(-1, values.shape[-1]))
    return found
