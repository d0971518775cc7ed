"""Chains that are one network although their codes differ, as those of NAS-Bench-Macro."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.block import Block
from spaces.chains.additive_space import ChoiceLayer

if TYPE_CHECKING:
    from spaces.choice_space import Codes


def skipped_last(layout: Sequence[Block | ChoiceLayer], codes: Codes) -> NDArray[Any]:
    """Move the skipped layers to the end of their run of equal layers.

    A candidate without blocks, such as the identity of NAS-Bench-Macro, skips its layer. Among
    equal layers only the order of those that remain determines the network, so that equal results
    mean equal networks.

    Args:
        layout: Fixed blocks and choices of blocks, in the order of execution.
        codes: Checked codes, int array [n, choices].
    """
    moved = np.array(codes)
    for first, end, skip_code in _skippable_runs(layout):
        run = moved[:, first:end]
        # A stable sort keeps the order of the layers that remain.
        order = np.argsort(run == skip_code, axis=1, kind="stable")
        moved[:, first:end] = np.take_along_axis(run, order, 1)

    return moved


def _skippable_runs(layout: Sequence[Block | ChoiceLayer]) -> list[tuple[int, int, int]]:
    """Find runs of equal layers that may be skipped: first column, end, and the skipping code."""
    runs: list[tuple[int, int, int]] = []
    previous: ChoiceLayer | None = None
    column = 0

    for item in layout:
        layer = item if isinstance(item, ChoiceLayer) else None
        if layer is not None:
            # Skipping is to have no blocks at all; such layers may be exchanged within the run.
            empty = [code for code, blocks in enumerate(layer.candidates.values()) if not blocks]
            if previous is not None and _equal_candidates(layer, previous):
                first, _, skip_code = runs[-1]
                runs[-1] = (first, column + 1, skip_code)
            elif len(empty) == 1:
                runs.append((column, column + 1, empty[0]))
            else:
                layer = None
            column += 1

        # A fixed block, or a layer that cannot be skipped, ends the run.
        previous = layer

    return runs


def _equal_candidates(layer: ChoiceLayer, other: ChoiceLayer) -> bool:
    return list(layer.candidates.items()) == list(other.candidates.items())
