"""The mutator of ProxylessNAS: single paths, binary gates, and the pairs of its mode `two`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from oneshot.algorithms.proxyless.gates import Run, eager, gated, weighted
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator, one_hot, straight_through
from oneshot.mutators.mutator import Masks
from spaces.modules.choices import LayerChoice
from spaces.modules.input_choice import InputChoice
from spaces.modules.mutable import Mutable
from spaces.modules.reduction import reduced
from spaces.modules.repeat import Repeat
from spaces.modules.value_choice import ValueChoice

MODES = ("full_v2", "full", "two")


class ProxylessMutator(ArchitectureMutator):
    """Runs one path drawn by the probabilities; within an architecture step binary gates take
    gradients.

    `reset()` draws a path for weights. `reset_binary_gates()` draws one for the architecture: the
    forward pass then runs with gates until the next `reset()`.

    Args:
        model: as of `BaseMutator`.
        binary_mode: `full` runs every candidate, `two` a drawn pair, `full_v2` the active one and
            in the backward pass the others without a graph. `full` and `full_v2` give the same
            gradients.
        init_type: as of `ArchitectureMutator`; so are the others.

    Raises:
        InvalidOption: an unknown mode.
    """

    def __init__(
        self,
        model: nn.Module,
        binary_mode: str = "full_v2",
        *,
        init_type: str = "normal",
        init_ratio: float = 1e-3,
        seed: int = 0,
    ):
        if binary_mode not in MODES:
            raise InvalidOption(
                f"binary_mode must be one of {', '.join(MODES)}, not {binary_mode!r}"
            )
        super().__init__(model, init_type=init_type, init_ratio=init_ratio, seed=seed)
        self.binary_mode = binary_mode
        self.active: dict[str, int] = {}
        self.involved: dict[str, list[int]] = {}
        self.gates: dict[str, Tensor] = {}
        self._before: dict[str, Tensor] = {}
        self._recomputed: Run = gated

    # Paths

    def sample_search(self) -> Masks:
        """A path drawn by the probabilities."""
        drawn = torch.rand(len(self.groups), generator=self.generator, dtype=torch.float64).tolist()
        # One transfer from the device for all keys.
        flat = torch.cat([logits.detach() for logits in self.logits]).to("cpu", torch.float64)
        rows = torch.split(flat, [len(logits) for logits in self.logits])
        codes = {}
        for (key, found), row, share in zip(self.groups.items(), rows, drawn, strict=True):
            edges = row.softmax(0).cumsum(0)
            codes[key] = min(
                int((edges <= share * edges[-1]).sum()), len(found[0].choice.candidates) - 1
            )
        self.active = codes
        return {key: self.groups[key][0].mask_of(code) for key, code in codes.items()}

    def activate(self, codes: Mapping[str, int]) -> None:
        """Let the model run a path: key -> code."""
        self.gates = {}
        self.active = dict(codes)
        self.take({key: self.groups[key][0].mask_of(code) for key, code in codes.items()})

    def reset(self) -> None:
        """Draw a path for weights; gates are off."""
        self.gates = {}
        super().reset()

    # Gates

    def reset_binary_gates(self) -> None:
        """Draw a path (in `two`: a pair, and a path of it), with gates that take gradients.

        Raises:
            InvalidOption: the model has a ValueChoice, which has no paths.
        """
        values = next(
            (mutable for mutable in self.mutables if isinstance(mutable, ValueChoice)), None
        )
        if values is not None:
            raise InvalidOption(
                f"{values.label}: binary gates are of layers and inputs; train a ValueChoice by"
                " reinforce"
            )
        if self.binary_mode == "two":
            self._draw_pairs()
        else:
            self.sample_search()
            self.gate(self.active)

    def _draw_pairs(self) -> None:
        involved, active = {}, {}
        for key, logits in self.alpha.items():
            chances = logits.detach()
            involved[key] = sorted(self.draw(chances.softmax(0), min(2, len(logits))))
            active[key] = involved[key][self.draw(chances[involved[key]].softmax(0))[0]]
        self.gate(active, involved)

    def gate(
        self, active: Mapping[str, int], involved: Mapping[str, Sequence[int]] | None = None
    ) -> None:
        """Let the model run a path with gates.

        Args:
            active: key -> code that runs with gradients.
            involved: key -> codes whose gates take gradients (default: all).
        """
        self.activate(active)
        self._recomputed = eager(gated)
        self.involved = {
            key: list(range(len(logits)) if involved is None else involved[key])
            for key, logits in self.alpha.items()
        }
        self.gates = {
            key: straight_through(one_hot(self.active[key], logits), self.gate_distribution(key))
            for key, logits in self.alpha.items()
        }

    def gate_distribution(self, key: str) -> Tensor:
        """Probabilities [candidates] of the paths that are involved, of these alone; 0
        elsewhere.
        """
        logits, involved = self.alpha[key], self.involved[key]
        if len(involved) == len(logits):
            return logits.softmax(0)
        index = torch.tensor(involved, device=logits.device)
        return torch.zeros_like(logits).scatter(0, index, logits[index].softmax(0))

    def gate_probabilities(self, keys: Sequence[str]) -> list[Tensor]:
        """`gate_distribution` of each key, for the expected cost of an architecture step."""
        return [self.gate_distribution(key) for key in keys]

    def before_update(self) -> None:
        """Remember the logits, for `after_update`."""
        self._before = {key: logits.detach().clone() for key, logits in self.alpha.items()}

    @torch.no_grad()
    def after_update(self) -> None:
        """Shift a pair's logits so that the probabilities of the others are what they were before
        the update.
        """
        if self.binary_mode != "two":
            return
        for key, logits in self.alpha.items():
            before, involved = self._before[key], self.involved[key]
            if len(involved) == len(logits):
                continue
            updated = logits[involved]
            # What the optimiser did to the others, such as decay, is undone.
            logits.copy_(before)
            logits[involved] = updated - (updated.logsumexp(0) - before[involved].logsumexp(0))

    # The forward pass

    def on_forward_layer_choice(
        self, mutable: LayerChoice, *inputs: Any, **options: Any
    ) -> tuple[Any, Tensor]:
        """The active candidate's output."""
        if mutable.key not in self.gates:
            return super().on_forward_layer_choice(mutable, *inputs, **options)
        involved = self.involved[mutable.key]
        runs = {code: partial(mutable.candidates[code], *inputs, **options) for code in involved}
        output = self._gated(mutable, runs, [*inputs, *options.values()])
        return [output] if mutable.reduction == "none" else output, self.mask(mutable)

    def on_forward_input_choice(
        self, mutable: InputChoice, tensors: Sequence[Tensor]
    ) -> tuple[Any, Tensor]:
        """The active inputs, reduced; where none is, zeros while gates are on."""
        if mutable.key not in self.gates:
            return super().on_forward_input_choice(mutable, tensors)
        if mutable.reduction == "none":
            raise InvalidOption(
                f"{mutable.label}: the reduction none has no gates; train it by reinforce"
            )
        runs: dict[int, Run] = {
            code: partial(
                reduced, mutable.reduction, [tensors[index] for index in mutable.subsets[code]]
            )
            for code in self.involved[mutable.key]
        }
        return self._gated(mutable, runs, tensors), self.mask(mutable)

    def on_forward_repeat(self, mutable: Repeat, x: Any) -> tuple[Any, Tensor]:
        """The output behind the active number of blocks."""
        if mutable.key not in self.gates:
            return super().on_forward_repeat(mutable, x)
        depths = mutable.choice.values
        runs = {code: partial(mutable.run, depths[code], x) for code in self.involved[mutable.key]}
        return self._gated(mutable, runs, [x]), self.mask(mutable)

    def _gated(self, mutable: Mutable, runs: Mapping[int, Run], inputs: Sequence[Any]) -> Any:
        key = mutable.key
        if self.binary_mode == "full_v2":
            return self._recomputed(
                self.gates[key], self.active[key], self.involved[key], runs, inputs
            )
        return weighted(self.gates[key], self.active[key], self.involved[key], runs)

    def __getstate__(self) -> dict[str, Any]:
        # Gates hang on a graph, which is not copied.
        return {**super().__getstate__(), "gates": {}, "_recomputed": gated}
