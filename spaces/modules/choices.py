"""LayerChoice: several modules, one of which is executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from torch import Tensor, nn

from spaces.choice import Choice
from spaces.errors import InvalidParameter
from spaces.modules.mutable import Mutable, joined_key
from spaces.modules.reduction import Reduction, check_reduction, masked, reduced
from spaces.modules.shared_input import SharedInput

Candidates: TypeAlias = (
    Mapping[Any, nn.Module] | nn.ModuleDict | Sequence[nn.Module] | nn.ModuleList
)
"""Modules by name, or in order."""


class LayerChoice(Mutable):
    """Several modules, one of which is executed (as NNI's LayerChoice).

    The arguments are in NNI 1's order. State dicts of NNI's LayerChoice, whose candidates are named
    directly (`0.weight`), are loaded too. Candidates are replaced and deleted by their index or
    name, as in `layer[1] = nn.Identity()` and `del layer["conv5"]`, before a model is bound.

    Args:
        candidates: Name -> module, or a sequence of modules that are named "0", "1", ... A number
            as a name is replaced by its text.
        reduction: How the outputs are combined if a mask selects several; see
            `spaces.modules.reduction`.
        return_mask: Whether `forward` returns (output, mask [candidates]).
        key: Key of the choice; equal keys share a decision. None: see `spaces.modules.mutable`.
        op_candidates: NNI 1's name of `candidates`.
        label: NNI 2's and 3's name of `key`.

    Raises:
        InvalidParameter: There is no candidate, one is no module, two have the same name, the
            reduction is unknown, or the key is a reduction.

    Example:
        >>> import torch
        >>> layer = LayerChoice({"skip": nn.Identity(), "linear": nn.Linear(4, 2)}, key="layer")
        >>> layer.activate("linear")
        >>> layer(torch.zeros(1, 4)).shape
        torch.Size([1, 2])
    """

    takeover = "on_forward_layer_choice"

    def __init__(
        self,
        candidates: Candidates | None = None,
        reduction: Reduction = "sum",
        return_mask: bool = False,
        key: str | None = None,
        *,
        op_candidates: Candidates | None = None,
        label: str | None = None,
    ):
        check_reduction(reduction)
        key = joined_key("a LayerChoice", key, label)
        if candidates is not None and op_candidates is not None:
            raise InvalidParameter("give candidates or op_candidates, which is the same, not both")

        candidates = op_candidates if candidates is None else candidates
        if candidates is None:
            candidates = ()
        if isinstance(candidates, Mapping | nn.ModuleDict):
            pairs: list[tuple[Any, Any]] = list(candidates.items())
        else:
            pairs = list(enumerate(candidates))

        description = key or "a LayerChoice"
        # By text, as JSON has them: kernel sizes and depths are often written as numbers.
        names = tuple(str(name) for name, _ in pairs)
        if not names or "" in names:
            raise InvalidParameter(f"{description}: needs candidates, each with a name")
        if len(set(names)) < len(names):
            raise InvalidParameter(
                f"{description}: needs candidates whose names differ as text, not"
                f" {[name for name, _ in pairs]}"
            )

        for name, (_, module) in zip(names, pairs, strict=True):
            if not isinstance(module, nn.Module):
                raise InvalidParameter(
                    f"{description}: the candidate {name!r} is no module but {module!r:.60}"
                )

        # An empty key is replaced by the module's path.
        super().__init__(Choice(key, names), return_mask)
        self.reduction = reduction
        self.candidates = nn.ModuleList(module for _, module in pairs)
        self._shared_input = SharedInput()
        self._finish()

    @property
    def names(self) -> list[str]:
        """Names of the candidates, in the order of their codes."""
        return list(self.choice.candidates)

    @property
    def length(self) -> int:
        """Number of candidates; NNI's name of `len(layer)`."""
        return len(self)

    @property
    def choices(self) -> list[nn.Module]:
        """Candidates in order; NNI's name of `list(layer)`."""
        return list(self)

    def __len__(self) -> int:
        return len(self.candidates)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self.candidates)

    def __getitem__(self, candidate: int | str) -> nn.Module:
        return self.candidates[
            self.choice.code(candidate) if isinstance(candidate, str) else candidate
        ]

    def __setitem__(self, candidate: int | str, module: nn.Module) -> None:
        self.candidates[self._index(candidate)] = module

    def __delitem__(self, candidates: int | str | slice) -> None:
        index = candidates if isinstance(candidates, slice) else self._index(candidates)
        names = self.names
        del names[index]
        if not names:
            raise InvalidParameter(
                f"{self.description}: a LayerChoice keeps at least one candidate"
            )

        del self.candidates[index]
        self.choice = Choice(self.choice.key, tuple(names))

        # The codes of the remaining candidates have changed.
        self.deactivate()

    def _index(self, candidate: int | str) -> int:
        if isinstance(candidate, str):
            return self.choice.code(candidate)
        return range(len(self))[candidate]

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **options: Any
    ) -> None:
        # NNI registers candidates by their names, without the list around them.
        for name in [name for name in state_dict if name.startswith(prefix)]:
            candidate, _, suffix = name.removeprefix(prefix).partition(".")
            if suffix and candidate != "candidates" and candidate in self.choice.candidates:
                index = self.choice.code(candidate)
                state_dict[f"{prefix}candidates.{index}.{suffix}"] = state_dict.pop(name)
        super()._load_from_state_dict(state_dict, prefix, *args, **options)

    def _run(self, code: int, *inputs: Any, **options: Any) -> Any:
        return self.candidates[code](*inputs, **options)

    def run_isolated(self, code: int, *inputs: Any, **options: Any) -> Any:
        """Run a candidate on inputs that other candidates read too; they stay unchanged.

        Args:
            code: Code of the candidate.
            inputs: Positional arguments of the candidate.
            options: Keyword arguments of the candidate.

        Raises:
            InvalidParameter: The candidate changes its inputs in some passes only.
        """
        return self._shared_input.run(
            code,
            lambda: f"{self.description}, {self.names[code]!r}",
            self.candidates[code],
            *inputs,
            **options,
        )

    def masked(self, mask: Tensor, *inputs: Any, **options: Any) -> Any:
        """Run the candidates that a mask selects (bool) or weights (float), and reduce the outputs.

        Each of several candidates gets the same inputs, also where one works in place.

        Args:
            mask: Tensor [candidates].
            inputs: Positional arguments of the candidates.
            options: Keyword arguments of the candidates.
        """
        # A single candidate may change its input, as it does in the network of the architecture.
        is_shared = mask.requires_grad or int(mask.count_nonzero()) > 1

        # Deferred, so that candidates outside the mask are never run.
        runs = [
            partial(self.run_isolated, code, *inputs, **options)
            if is_shared
            else partial(candidate, *inputs, **options)
            for code, candidate in enumerate(self.candidates)
        ]
        return reduced(self.reduction, masked(mask, runs))

    def codes_running(self, path: str) -> frozenset[int]:
        """Return the code of the candidate that contains the submodule at `path`."""
        container, _, inner_path = path.partition(".")
        if container == "candidates" and inner_path:
            return frozenset({int(inner_path.split(".")[0])})
        return super().codes_running(path)

    def frozen(self, code: int) -> nn.Module:
        """Return the candidate, wrapped to return the mask too where this module does."""
        candidate = self.candidates[code]
        return WithMask(candidate, self.mask_of(code)) if self.return_mask else candidate


class WithMask(nn.Module):
    """A module that also returns a constant mask.

    Args:
        module: Module to run.
        mask: Mask to return, bool [candidates].
    """

    mask: Tensor

    def __init__(self, module: nn.Module, mask: Tensor):
        super().__init__()
        self.module = module
        # Not in state dicts: the mask is part of the architecture, not of the weights.
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, *inputs: Any, **options: Any) -> tuple[Any, Tensor]:
        return self.module(*inputs, **options), self.mask
