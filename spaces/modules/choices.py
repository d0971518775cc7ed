"""LayerChoice: the mutable module that users put into their own model (NNI's name and meaning)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from spaces.choice import Choice
from spaces.errors import InvalidArchitecture, NoActiveCandidate


class LayerChoice(nn.Module):
    """Several modules of which one is executed.

    Args:
        candidates: name -> module, or a sequence of modules named "0", "1", ...
        key: the choice's key; equal keys share a decision.
    """

    def __init__(self, candidates: Mapping[str, nn.Module] | Sequence[nn.Module], key: str):
        super().__init__()
        if not isinstance(candidates, Mapping):
            candidates = {str(index): module for index, module in enumerate(candidates)}
        self.choice = Choice(key, tuple(candidates))
        self.candidates = nn.ModuleList(candidates.values())
        self._active: int | None = None

    @property
    def key(self) -> str:
        """The choice's key."""
        return self.choice.key

    @property
    def active(self) -> int | None:
        """Code of the candidate that `forward` runs; None before one is chosen."""
        return self._active

    def activate(self, candidate: int | str) -> None:
        """Choose the candidate that `forward` runs, by code or by name."""
        code = self.choice.code(candidate) if isinstance(candidate, str) else int(candidate)
        if not 0 <= code < len(self.candidates):
            raise InvalidArchitecture(
                f"{self.key}: code {code} is out of range; there are {len(self.candidates)} candidates"
            )
        self._active = code

    def forward(self, x: Tensor) -> Tensor:
        if self._active is None:
            raise NoActiveCandidate(f"{self.key}: no candidate is active; call activate() first")
        chosen: Tensor = self.candidates[self._active](x)
        return chosen

    def extra_repr(self) -> str:
        return f"key={self.key!r}"
