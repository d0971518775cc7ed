"""Mutator of ProxylessNAS: single paths, binary gates and the pairs of the mode `two`."""

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
    """Runs one sampled path, with binary gates during architecture steps.

    `reset()` samples a path for an update of the weights. `reset_binary_gates()` samples one for an
    update of the logits: the forward pass then runs with gates until the next `reset()`.

    Args:
        model: Model whose choices are bound; see `BaseMutator`.
        binary_mode: `full` runs every candidate, `two` runs a sampled pair, and `full_v2` runs the
            active candidate and, in the backward pass, the others without a graph. The gradients of
            `full` and `full_v2` are equal.
        init_type: Distribution of the initial logits; see `ArchitectureMutator`.
        init_ratio: Standard deviation or bound of the initial logits.
        seed: Seed of the initial logits and of all samples.

    Raises:
        InvalidOption: The mode or `init_type` is unknown, or `BaseMutator` refuses the model.
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

        # Key -> code of the running path, codes with gate gradients, and gates [candidates]. The
        # gates are empty outside architecture steps.
        self.active: dict[str, int] = {}
        self.involved: dict[str, list[int]] = {}
        self.gates: dict[str, Tensor] = {}

        # Logits before the optimizer's update, for `after_update`.
        self._before: dict[str, Tensor] = {}
        self._recomputed: Run = gated

    # Paths

    def sample_search(self) -> Masks:
        """Sample a path by the probabilities."""
        samples = torch.rand(
            len(self.groups), generator=self.generator, dtype=torch.float64
        ).tolist()

        # All logits in one transfer from the device, which is faster than one for each key.
        flat = torch.cat([logits.detach() for logits in self.logits]).to("cpu", torch.float64)
        rows = torch.split(flat, [len(logits) for logits in self.logits])

        # Inverse transform sampling. The cumulative sum may end slightly off 1, hence the scaling;
        # rounding may exceed the last edge, hence the minimum.
        codes = {}
        for (key, mutables), row, sample in zip(self.groups.items(), rows, samples, strict=True):
            cumulative = row.softmax(0).cumsum(0)
            codes[key] = min(
                int((cumulative <= sample * cumulative[-1]).sum()),
                len(mutables[0].choice.candidates) - 1,
            )
        self.active = codes
        return {key: self.groups[key][0].mask_of(code) for key, code in codes.items()}

    def activate(self, codes: Mapping[str, int]) -> None:
        """Let the model run a path, given as the code of each key."""
        self.gates = {}
        self.active = dict(codes)
        self.take({key: self.groups[key][0].mask_of(code) for key, code in codes.items()})

    def reset(self) -> None:
        """Sample a path for an update of the weights and remove all gates."""
        self.gates = {}
        super().reset()

    # Gates

    def reset_binary_gates(self) -> None:
        """Sample a path with gates that receive gradients; in mode `two` a pair, then a path of it.

        Raises:
            InvalidOption: The model has a ValueChoice, which has no paths.
        """
        value_choice = next(
            (mutable for mutable in self.deciding if isinstance(mutable, ValueChoice)), None
        )
        if value_choice is not None:
            raise InvalidOption(
                f"{value_choice.description}: binary gates are of layers and inputs; train a"
                " ValueChoice by reinforce"
            )

        if self.binary_mode == "two":
            self._draw_pairs()
        else:
            self.sample_search()
            self.gate(self.active)

    def _draw_pairs(self) -> None:
        """Sample two candidates of each key, and the active one of the two (section 3.2)."""
        involved = {}
        active = {}
        for key, logits in self.alpha.items():
            detached = logits.detach()
            involved[key] = sorted(self.draw(detached.softmax(0), min(2, len(logits))))
            # The probabilities are rescaled to the pair.
            active[key] = involved[key][self.draw(detached[involved[key]].softmax(0))[0]]
        self.gate(active, involved)

    def gate(
        self, active: Mapping[str, int], involved: Mapping[str, Sequence[int]] | None = None
    ) -> None:
        """Let the model run a path with gates.

        Args:
            active: Code of each key that runs with gradients.
            involved: Codes of each key whose gates receive gradients; None means all codes.
        """
        self.activate(active)
        # Only now is it known whether the model has been compiled.
        self._recomputed = eager(gated)
        self.involved = {
            key: list(range(len(logits)) if involved is None else involved[key])
            for key, logits in self.alpha.items()
        }

        # g is one-hot in the forward pass; dL/dalpha = sum(dL/dg_k dp_k/dalpha) (equation 4).
        self.gates = {
            key: straight_through(one_hot(self.active[key], logits), self.gate_distribution(key))
            for key, logits in self.alpha.items()
        }

    def gate_distribution(self, key: str) -> Tensor:
        """Return the probabilities [candidates], rescaled to the involved paths; 0 for others."""
        logits = self.alpha[key]
        involved = self.involved[key]
        if len(involved) == len(logits):
            return logits.softmax(0)

        index = torch.tensor(involved, device=logits.device)
        return torch.zeros_like(logits).scatter(0, index, logits[index].softmax(0))

    def gate_probabilities(self, keys: Sequence[str]) -> list[Tensor]:
        """Return `gate_distribution` of each key, for the expected cost of an architecture step."""
        return [self.gate_distribution(key) for key in keys]

    def before_update(self) -> None:
        """Store a copy of the logits for `after_update`."""
        self._before = {key: logits.detach().clone() for key, logits in self.alpha.items()}

    @torch.no_grad()
    def after_update(self) -> None:
        """Shift the logits of each pair so that the update leaves other probabilities unchanged."""
        if self.binary_mode != "two":
            return

        for key, logits in self.alpha.items():
            before = self._before[key]
            involved = self.involved[key]
            # Without other candidates there is nothing to preserve.
            if len(involved) == len(logits):
                continue

            updated = logits[involved]
            # Undo changes of the other logits by the optimizer, such as weight decay.
            logits.copy_(before)
            # Equal logsumexp of the pair means equal total probability of the pair.
            logits[involved] = updated - (updated.logsumexp(0) - before[involved].logsumexp(0))

    # The forward pass

    def on_forward_layer_choice(
        self, mutable: LayerChoice, *inputs: Any, **options: Any
    ) -> tuple[Any, Tensor]:
        """Return the active candidate's output."""
        if mutable.choice.key not in self.gates:
            return super().on_forward_layer_choice(mutable, *inputs, **options)

        involved = self.involved[mutable.choice.key]
        runs = {code: partial(mutable.run_isolated, code, *inputs, **options) for code in involved}
        output = self._gated(mutable, runs, [*inputs, *options.values()])
        return [output] if mutable.reduction == "none" else output, self.mask(mutable)

    def on_forward_input_choice(
        self, mutable: InputChoice, tensors: Sequence[Tensor]
    ) -> tuple[Any, Tensor]:
        """Return the reduction of the active inputs; with gates, zeros for an empty set."""
        if mutable.choice.key not in self.gates:
            return super().on_forward_input_choice(mutable, tensors)
        if mutable.reduction == "none":
            raise InvalidOption(
                f"{mutable.description}: the reduction none has no gates; train it by reinforce"
            )

        # A path of an InputChoice is the reduction of one subset of its inputs.
        runs: dict[int, Run] = {
            code: partial(
                reduced, mutable.reduction, [tensors[index] for index in mutable.subsets[code]]
            )
            for code in self.involved[mutable.choice.key]
        }
        return self._gated(mutable, runs, tensors), self.mask(mutable)

    def on_forward_repeat(
        self, mutable: Repeat, x: Any, *inputs: Any, **options: Any
    ) -> tuple[Any, Tensor]:
        """Return the output after the active number of blocks."""
        if mutable.choice.key not in self.gates:
            return super().on_forward_repeat(mutable, x, *inputs, **options)

        depths = mutable.choice.values
        runs = {
            code: partial(mutable.run_isolated, 0, depths[code], x, *inputs, **options)
            for code in self.involved[mutable.choice.key]
        }
        output = self._gated(mutable, runs, [x, *inputs, *options.values()])
        return output, self.mask(mutable)

    def _gated(self, mutable: Mutable, runs: Mapping[int, Run], inputs: Sequence[Any]) -> Any:
        """Run the paths of a mutable with its gates in the selected mode."""
        key = mutable.choice.key
        if self.binary_mode == "full_v2":
            return self._recomputed(
                self.gates[key], self.active[key], self.involved[key], runs, inputs
            )
        return weighted(self.gates[key], self.active[key], self.involved[key], runs)

    def __getstate__(self) -> dict[str, Any]:
        # Gates belong to a graph, which cannot be copied; `eager` may have wrapped a function that
        # cannot be pickled.
        return {**super().__getstate__(), "gates": {}, "_recomputed": gated}
