"""Checks that a cut network has the outputs of the masked original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spaces.elastic.choices import ElasticChoice, Removal, cut_of
from spaces.elastic.counting import layers_of
from spaces.elastic.coupling import Uncut
from spaces.elastic.cutting import cut_network
from spaces.elastic.errors import FailedRun, UnequalCut
from spaces.elastic.reference import masked_network
from spaces.elastic.tracing import Call, trace
from spaces.modules.nested import tensors_in
from spaces.user_model.inputs import ModelInput

TOLERANCE = 1e-5
"""Largest difference from the masked original, relative to its largest output."""

# Architectures by which all choices are checked together.
_JOINT_CHECKS = 2


@dataclass(frozen=True)
class Verifier:
    """Compares cut networks with the masked original, both with random weights.

    Args:
        model: Copy of the network with random weights, in evaluation mode.
        example: How the network takes its inputs.
        value: Inputs of one image.
        calls: Runs of the modules of the original.
    """

    model: nn.Module
    example: ModelInput
    value: Any
    calls: Mapping[str, Call]

    def accepted(
        self, variants: Sequence[Sequence[ElasticChoice]]
    ) -> tuple[list[ElasticChoice], list[Uncut]]:
        """Return the choices that cut correctly, and the others with the reason.

        Args:
            variants: For each choice its forms, such as by heads and by channels; the first one
                that cuts correctly is taken.
        """
        choices = [forms[0] for forms in variants]
        rng = np.random.default_rng(0)
        try:
            self.check_together(choices, rng)
            return choices, []
        # One of them is wrong: they are checked one by one, and then again together.
        except UnequalCut:
            pass

        alone: list[ElasticChoice] = []
        uncut: list[Uncut] = []
        for forms in variants:
            choice, reason = self._first_correct(forms)
            if choice is None:
                uncut.append(Uncut(path_of(forms[0]), reason))
            else:
                alone.append(choice)
        together, conflicts = self._compatible(alone, rng) if alone else ([], [])
        return together, uncut + conflicts

    def _first_correct(self, forms: Sequence[ElasticChoice]) -> tuple[ElasticChoice | None, str]:
        reason = ""
        for form in forms:
            try:
                # The middle and the last candidate: neither may lie on a lucky size.
                count = len(form.reductions())
                for code in sorted({count // 2, count - 1}):
                    self.check([form], [code])
                return form, ""
            except UnequalCut as error:
                reason = str(error)
        return None, reason

    def _compatible(
        self, choices: list[ElasticChoice], rng: np.random.Generator
    ) -> tuple[list[ElasticChoice], list[Uncut]]:
        try:
            self.check_together(choices, rng)
            return choices, []
        except UnequalCut:
            pass

        together: list[ElasticChoice] = []
        uncut: list[Uncut] = []
        for choice in choices:
            try:
                trial = [*together, choice]
                self.check(trial, [len(item.reductions()) - 1 for item in trial])
                together = trial
            except UnequalCut as error:
                uncut.append(Uncut(path_of(choice), f"together with other choices: {error}"))
        return together, uncut

    def check_together(self, choices: Sequence[ElasticChoice], rng: np.random.Generator) -> None:
        """Check random architectures, in which all choices are combined.

        Args:
            choices: Choices of the network.
            rng: Source of the architectures.

        Raises:
            UnequalCut: A cut network fails, or differs from the masked original.
        """
        for _ in range(_JOINT_CHECKS):
            self.check(choices, _random_codes(choices, rng))

    def check(self, choices: Sequence[ElasticChoice], codes: Sequence[int]) -> None:
        """Check outputs and counts of one architecture.

        Args:
            choices: Choices of the network.
            codes: Codes [choices].

        Raises:
            UnequalCut: The cut network fails, or differs from the masked original.
        """
        cut = cut_of(choices, codes)
        try:
            small = cut_network(self.model, cut)
            calls, outputs = trace(small, self.example, self.value)
        # Code of users fails with errors of any kind where it expects the original sizes.
        except Exception as error:
            reason = error if isinstance(error, FailedRun) else FailedRun(error, "")
            raise UnequalCut(f"the cut network fails: {reason}") from error

        reference = masked_network(self.model, small, cut)
        with torch.no_grad():
            expected = list(tensors_in(self.example.run(reference, self.value)))
        _compare(outputs, expected)
        self._check_counts(choices, codes, small, calls)

    def _check_counts(
        self,
        choices: Sequence[ElasticChoice],
        codes: Sequence[int],
        small: nn.Module,
        calls: Mapping[str, Call],
    ) -> None:
        row = np.array([codes], dtype=np.int64)
        steps = np.array(
            [[choice.reductions()[code] for choice, code in zip(choices, codes, strict=True)]],
            dtype=np.int64,
        )
        macs = params = 0
        for layer in layers_of(self.model, self.calls, choices):
            if layer.present(row)[0]:
                macs += int(layer.count_macs(steps)[0])
                params += int(layer.count_params(steps)[0])

        counted = sum(call.macs for call in calls.values())
        if macs != counted:
            raise UnequalCut(f"its products are not counted: {counted} in place of {macs}")
        learned = sum(parameter.numel() for parameter in small.parameters())
        if params != learned:
            raise UnequalCut(f"its parameters are not counted: {learned} in place of {params}")


def path_of(choice: ElasticChoice) -> str:
    """Return the path of the first module that a choice changes."""
    return choice.path if not hasattr(choice, "group") else choice.group.path


def _random_codes(choices: Sequence[ElasticChoice], rng: np.random.Generator) -> list[int]:
    # Blocks are kept more often than not, so that the layers inside them are checked as well.
    return [
        int(rng.random() < 0.25)
        if isinstance(choice, Removal)
        else int(rng.integers(len(choice.reductions())))
        for choice in choices
    ]


def _compare(outputs: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    shapes = [[tuple(tensor.shape) for tensor in tensors] for tensors in (outputs, expected)]
    if shapes[0] != shapes[1]:
        raise UnequalCut("its channels are the network's output")
    for actual, reference in zip(outputs, expected, strict=True):
        scale = max(float(reference.abs().max()), 1e-6) if reference.numel() else 1.0
        difference = float((actual - reference).abs().max()) / scale if reference.numel() else 0.0
        if not difference <= TOLERANCE:
            raise UnequalCut(
                f"the cut network differs from the masked original by {difference:.1g} of its"
                " largest output"
            )
