"""Networks and supernets that follow a plan (see `spaces.cells.plan`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spaces.block import Block
from spaces.cells.plan import Add, Apply, Concatenate, Plan, Truncate, Zeros
from spaces.errors import NoActiveCandidate
from spaces.modules.blocks import build
from spaces.modules.supernet import Supernet

if TYPE_CHECKING:
    from spaces.cells.space import CellSpace


def execute(
    plan: Plan,
    modules: Sequence[nn.Module],
    image: Tensor,
    keep: Sequence[int] = (),
    drop: float = 0.0,
) -> list[Tensor]:
    """Run a plan.

    Args:
        plan: the plan.
        modules: for each of the plan's blocks what computes it.
        image: images [n, channels, height, width].
        keep: numbers of further values that are wanted.
        drop: chance that an operation on an edge of a cell is left out for an image; see
            `drop_path`.

    Returns:
        The last value, then those of `keep`.
    """
    values = {0: image}
    wanted = (len(plan.steps), *keep)
    rest = iter(modules)
    for number, (step, released) in enumerate(zip(plan.steps, plan.last_uses, strict=True), 1):
        given = [values[source] for source in step.sources]
        match step:
            case Apply():
                values[number] = next(rest)(*given)
                if drop and step.droppable:
                    values[number] = drop_path(values[number], drop)
            case Add():
                values[number] = _sum(given)
            case Concatenate():
                values[number] = torch.cat(given, 1)
            case Truncate():
                values[number] = given[0][:, : step.channels]
            case Zeros():
                values[number] = image.new_zeros(image.shape[0], *step.shape)
        for value in released:
            if value not in wanted:
                del values[value]
    return [values[number] for number in wanted]


def drop_path(x: Tensor, probability: float) -> Tensor:
    """Each image's features x [n, ...] times 0 with `probability`, else times 1 / (1 -
    probability).

    Larsson et al., FractalNet, ICLR 2017 (arXiv 1605.07648), as DARTS has it. Like dropout it draws
    from torch's generator, which a training seeds before every step.
    """
    kept = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(1 - probability)
    return x * (kept / (1 - probability))


def _sum(values: Sequence[Tensor]) -> Tensor:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


class CellNetwork(nn.Module):
    """A stand-alone network; `blocks[i]` computes the i-th of the plan's blocks.

    In training mode the operations on the edges of its cells are left out with the chance
    `drop_path`, 0 to begin with.

    Args:
        plan: how it is wired.
    """

    def __init__(self, plan: Plan):
        super().__init__()
        self.plan = plan
        self.blocks = nn.ModuleList(build(block) for block in plan.blocks)
        self.drop_path = 0.0

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)[0]

    def run(self, x: Tensor, keep: Sequence[int] = ()) -> list[Tensor]:
        """The output, then the plan's values with the numbers `keep`."""
        return execute(
            self.plan, list(self.blocks), x, keep, self.drop_path if self.training else 0.0
        )

    @property
    def has_edges(self) -> bool:
        """Whether there are operations that drop-path may leave out."""
        return any(step.droppable for step in self.plan.applied)


class CellSupernet(Supernet):
    """A network with a module for every place of a space of cells, of which the active
    architecture's plan runs some.

    Args:
        space: the space whose architectures it runs.
        num_classes: classes of the classifier (None: the space's own).
    """

    space: CellSpace

    def __init__(self, space: CellSpace, num_classes: int | None = None):
        super().__init__(space)
        self.num_classes = num_classes
        self.places = nn.ModuleDict(
            {place: self.candidate(block) for place, block in space.places(num_classes).items()}
        )
        self.plan: Plan | None = None

    def candidate(self, block: Block) -> nn.Module:
        """The module of a place, its batch normalisation without learned scale and shift."""
        return build(block, affine=False)

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        self.plan = self.space.plan(codes, self.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return execute(self._active(), self.path(), x)[0]

    def path(self) -> list[nn.Module]:
        """The modules that the active architecture executes, in order."""
        return [self.places[step.place] for step in self._active().applied]

    def _active(self) -> Plan:
        if self.plan is None:
            raise NoActiveCandidate(
                f"no architecture of {self.space.name} is active; call activate() first"
            )
        return self.plan
