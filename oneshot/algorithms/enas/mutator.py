"""EnasMutator: runs the architectures that ENAS' controller samples."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from oneshot.algorithms.enas.controller import Attention, Controller, separable_prior
from oneshot.algorithms.enas.options import EnasOptions
from oneshot.algorithms.sampled import SampledMutator
from oneshot.mutators.mutator import Masks
from spaces.modules.input_choice import InputChoice
from spaces.modules.mutable import Mutable
from spaces.modules.scope import MutableScope

# Number of architectures whose distributions are averaged for `probabilities`.
_MARGINALS = 256


class EnasMutator(SampledMutator):
    """Runs the architectures that a controller samples.

    Args:
        model: Model with mutables, as for `BaseMutator`.
        options: Options of the controller.
        seed: Seed of the controller's initial weights and of its samples.
    """

    def __init__(self, model: nn.Module, options: EnasOptions, seed: int = 0):
        super().__init__(model, seed)
        candidates = [len(mutable.choice.candidates) for mutable in self.deciding]
        priors = [
            separable_prior(mutable.choice.candidates, mutable.key.startswith("normal"))
            for mutable in self.deciding
        ]
        self.controller = Controller(
            candidates,
            options.hidden,
            options.temperature,
            options.tanh_constant or None,
            seed,
            options.layers,
            priors if options.prior else None,
            input_attentions(model, self.deciding) if options.attention else None,
            options.input_tanh_constant or None,
            [mutable.choice.candidates for mutable in self.deciding] if options.shared else None,
        )

    @torch.no_grad()
    def sample_search(self) -> Masks:
        """Return the architecture that the controller samples next."""
        codes = self.controller(1, self.generator).codes[0].tolist()
        return {
            mutable.choice.key: mutable.mask_of(code)
            for mutable, code in zip(self.deciding, codes, strict=True)
        }

    def sample_final(self) -> Masks:
        """Return the final architecture, or the controller's most probable decisions before."""
        if self.final is not None:
            return super().sample_final()

        with torch.no_grad():
            codes = self.controller(1).codes[0].tolist()
        return {
            mutable.choice.key: mutable.mask_of(code)
            for mutable, code in zip(self.deciding, codes, strict=True)
        }

    @torch.no_grad()
    def distributions(self) -> list[Tensor]:
        """Return the probabilities [candidates] of each key's candidates.

        They are the mean over sampled architectures.
        """
        # A separate generator: a report must not change the samples of the training.
        decisions = self.controller(_MARGINALS, torch.Generator().manual_seed(0))
        return [probabilities.mean(0).cpu() for probabilities in decisions.distributions]


def input_attentions(model: nn.Module, deciding: Sequence[Mutable]) -> list[Attention | None]:
    """Return for each decision the states that the controller attends to; None: it does not.

    An InputChoice of one input names its inputs by `choose_from`. A name is that of an earlier
    mutable, or of a `MutableScope`, whose last decision completes the node; any other name is an
    input from outside, such as the output of an earlier cell.

    Args:
        model: Model with the mutables.
        deciding: Mutables that decide, in the order of the decisions.
    """
    column_of = {mutable.choice.key: column for column, mutable in enumerate(deciding)}
    completing = dict(column_of)
    for scope in model.modules():
        if isinstance(scope, MutableScope):
            within = [module for module in scope.modules() if isinstance(module, Mutable)]
            columns = [column_of[mutable.choice.key] for mutable in within]
            completing[scope.key] = max(columns, default=-1)

    outside: dict[str, int] = {}
    attentions: list[Attention | None] = []
    for column, mutable in enumerate(deciding):
        if not isinstance(mutable, InputChoice) or mutable.n_chosen != 1:
            attentions.append(None)
            continue

        sources = []
        for position, name in enumerate(mutable.choose_from):
            source = completing.get(name, -1)
            # A node that is not complete yet has no state.
            if not 0 <= source < column:
                source = outside.setdefault(name or f"input {position}", -len(outside) - 1)
            sources.append(source)
        attentions.append(Attention(tuple(sources)))

    return attentions
