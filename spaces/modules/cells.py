"""Networks and supernets that execute a plan; see `spaces.cells.plan`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spaces.block import Block
from spaces.cells.plan import Add, Apply, Concatenate, Plan, Truncate, Zeros
from spaces.errors import InvalidArchitecture, NoActiveCandidate
from spaces.modules.blocks import build
from spaces.modules.partial import is_operation, narrowed
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
        plan: Plan to run.
        modules: Modules of the plan's blocks, in order.
        image: Images [n, channels, height, width].
        keep: Numbers of further values to return.
        drop: Probability that an operation on an edge of a cell is dropped for an image; see
            `drop_path`.

    Returns:
        The last value, then those of `keep`.
    """
    values = {0: image}

    # The last step's number is that of the plan's result.
    returned = (len(plan.steps), *keep)
    remaining = iter(modules)

    for number, (step, released) in enumerate(zip(plan.steps, plan.last_uses, strict=True), 1):
        inputs = [values[source] for source in step.sources]
        match step:
            case Apply():
                values[number] = next(remaining)(*inputs)
                if drop and step.droppable:
                    values[number] = drop_path(values[number], drop)
            case Add():
                values[number] = _sum(inputs)
            case Concatenate():
                values[number] = torch.cat(inputs, 1)
            case Truncate():
                values[number] = inputs[0][:, : step.channels]
            case Zeros():
                values[number] = image.new_zeros(image.shape[0], *step.shape)

        # Values that no later step reads free their memory at once.
        for value in released:
            if value not in returned:
                del values[value]

    return [values[number] for number in returned]


def drop_path(x: Tensor, probability: float) -> Tensor:
    """Multiply each image's features by 0 with a probability p, else by 1 / (1 - p).

    Larsson et al., FractalNet, ICLR 2017 (arXiv 1605.07648), in the version of DARTS. Like dropout
    it draws from torch's generator, which a training seeds before every step.

    Args:
        x: Features [n, ...].
        probability: Probability that an image's features are dropped.
    """
    # One number per image, broadcast over its features.
    survives = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(1 - probability)
    return x * (survives / (1 - probability))


def _sum(values: Sequence[Tensor]) -> Tensor:
    # Not sum(values): its start value 0 would add a step.
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


class CellNetwork(nn.Module):
    """A standalone network; `blocks[i]` computes the i-th of the plan's blocks.

    In training mode the operations on the edges of its cells are dropped with the probability
    `drop_path`, which is 0 at first.

    Args:
        plan: Wiring of the blocks.
    """

    def __init__(self, plan: Plan):
        super().__init__()
        self.plan = plan
        self.blocks = nn.ModuleList(build(block) for block in plan.blocks)
        self.drop_path = 0.0

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)[0]

    def run(self, x: Tensor, keep: Sequence[int] = ()) -> list[Tensor]:
        """Return the output, then the plan's values with the numbers `keep`."""
        drop = self.drop_path if self.training else 0.0
        return execute(self.plan, list(self.blocks), x, keep, drop)

    def block_outputs(self, x: Tensor) -> list[Tensor]:
        """Return the features after the stem, each cell and each reduction."""
        return self.run(x, self.plan.block_ends)[1:]

    @property
    def has_edges(self) -> bool:
        """Whether there are operations that drop-path may drop."""
        return any(step.droppable for step in self.plan.applied)


class CellSupernet(Supernet):
    """A supernet with all modules of a cell space.

    The plan of the active architecture executes some of them.

    Args:
        space: Space whose architectures it runs.
        num_classes: Number of classes of the classifier. None: the space's.
        channel_divisor: Ratio of the channels to those of the operations on edges. Above 1 only the
            space's search model runs it; see `spaces.modules.partial`.
    """

    space: CellSpace

    def __init__(self, space: CellSpace, num_classes: int | None = None, channel_divisor: int = 1):
        super().__init__(space)
        self.num_classes = num_classes
        self.channel_divisor = channel_divisor
        self.places = nn.ModuleDict(
            {
                name: self.candidate(
                    narrowed(block, channel_divisor) if is_operation(name) else block
                )
                for name, block in space.places(num_classes).items()
            }
        )
        self.plan: Plan | None = None

    def candidate(self, block: Block) -> nn.Module:
        """Build the module of a block, without scale and shift in batch normalisation."""
        return build(block, affine=False)

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        if self.channel_divisor > 1:
            raise InvalidArchitecture(
                f"{self.space.name} has operations for a part of the channels, so that it runs no"
                " single architecture; evaluate the result by retrain"
            )
        self.plan = self.space.plan(codes, self.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return execute(self._active(), self.path(), x)[0]

    def path(self) -> list[nn.Module]:
        """Return the modules that the active architecture executes, in order."""
        return [self.places[step.name] for step in self._active().applied]

    def _active(self) -> Plan:
        if self.plan is None:
            raise NoActiveCandidate(
                f"no architecture of {self.space.name} is active; call activate() first"
            )
        return self.plan
