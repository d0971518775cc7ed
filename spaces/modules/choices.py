"""LayerChoice: several modules of which one is executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from spaces.choice import Choice
from spaces.errors import InvalidParameter
from spaces.modules.mutable import Mutable
from spaces.modules.reduction import Reduction, check_reduction, masked, reduced


class LayerChoice(Mutable):
    """Several modules of which one is executed (NNI's name and meaning).

    Args:
        candidates: name -> module, or a sequence of modules named "0", "1", ...
        key: the choice's key; equal keys share a decision. Default: the module's path in the model.
        reduction: how outputs are joined where a mask takes several; see
            `spaces.modules.reduction`.
        return_mask: whether `forward` returns (output, mask [candidates]).

    Raises:
        InvalidParameter: there is no candidate, one is no module, or the reduction is unknown.
    """

    takeover = "on_forward_layer_choice"

    def __init__(
        self,
        candidates: Mapping[str, nn.Module] | nn.ModuleDict | Sequence[nn.Module] | nn.ModuleList,
        key: str | None = None,
        reduction: Reduction = "sum",
        return_mask: bool = False,
    ):
        check_reduction(reduction)
        if isinstance(candidates, Mapping | nn.ModuleDict):
            named: dict[str, Any] = dict(candidates.items())
        else:
            named = {str(index): module for index, module in enumerate(candidates)}
        what = f"{key or 'a LayerChoice'}:"
        if not named or "" in named:
            raise InvalidParameter(f"{what} needs candidates, each with a name")
        for name, module in named.items():
            if not isinstance(module, nn.Module):
                raise InvalidParameter(
                    f"{what} the candidate {name!r} is no module but {module!r:.60}"
                )
        super().__init__(Choice(key or "", tuple(named)), return_mask)
        self.reduction = reduction
        self.candidates = nn.ModuleList(named.values())

    @property
    def names(self) -> list[str]:
        """The candidates' names, in the order of their codes."""
        return list(self.choice.candidates)

    def __len__(self) -> int:
        return len(self.candidates)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self.candidates)

    def __getitem__(self, candidate: int | str) -> nn.Module:
        return self.candidates[
            self.choice.code(candidate) if isinstance(candidate, str) else candidate
        ]

    def _run(self, code: int, *inputs: Any, **options: Any) -> Any:
        return self.candidates[code](*inputs, **options)

    def masked(self, mask: Tensor, *inputs: Any, **options: Any) -> Tensor | list[Tensor] | None:
        """The candidates that a mask [candidates] takes (bool) or weights (float), run and
        reduced.
        """
        runs = [partial(candidate, *inputs, **options) for candidate in self.candidates]
        return reduced(self.reduction, masked(mask, runs))

    def codes_running(self, path: str) -> frozenset[int]:
        """The code of the candidate that the part at `path` belongs to."""
        holder, _, rest = path.partition(".")
        return (
            frozenset({int(rest.split(".")[0])})
            if holder == "candidates" and rest
            else super().codes_running(path)
        )

    def frozen(self, code: int) -> nn.Module:
        """The chosen candidate, behind a module that returns the mask too where this one does."""
        chosen = self.candidates[code]
        return WithMask(chosen, self.mask_of(code)) if self.return_mask else chosen


class WithMask(nn.Module):
    """A module that also returns a constant mask.

    Args:
        module: what is run.
        mask: bool [candidates].
    """

    mask: Tensor

    def __init__(self, module: nn.Module, mask: Tensor):
        super().__init__()
        self.module = module
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, *inputs: Any, **options: Any) -> tuple[Any, Tensor]:
        return self.module(*inputs, **options), self.mask
