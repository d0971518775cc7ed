"""Masks: which candidates or inputs of a mutable are taken."""

from __future__ import annotations

from torch import Tensor

from oneshot.errors import InvalidOption
from spaces.modules.input_choice import InputChoice
from spaces.modules.mutable import Mutable


def size(mutable: Mutable) -> int:
    """Length of a mutable's mask: its candidates, or the inputs of an InputChoice."""
    return mutable.n_candidates if isinstance(mutable, InputChoice) else len(mutable.choice.candidates)


def code_of(mutable: Mutable, mask: Tensor) -> int:
    """The code that a mask takes; raises InvalidOption where it takes none that is allowed, or weights several."""
    taken = mask.detach().ne(0).nonzero().flatten().tolist()
    if isinstance(mutable, InputChoice):
        return mutable.choice.code_of(taken)
    if len(taken) != 1:
        raise InvalidOption(f"{mutable.label}: the mask takes {len(taken)} candidates; an architecture takes one")
    return int(taken[0])
