"""The auxiliary classifier and the search network of DARTS.

Liu et al., ICLR 2019 (arXiv 1806.09055; quark0/darts, cnn/model.py).
"""

from __future__ import annotations

from torch import Tensor, nn

from spaces.block import Block
from spaces.cells.darts import AUXILIARY
from spaces.cells.plan import Plan
from spaces.cells.space import CellSpace
from spaces.modules.affine import learn_affine
from spaces.modules.cells import CellNetwork, CellSupernet


class AuxiliaryHead(nn.Sequential):
    """A second classifier for training, on features of 8x8 (CIFAR-10) or 7x7 (ImageNet) pixels.

    Args:
        channels: Number of channels of the features.
        side: Side of the features in pixels.
        num_classes: Number of classes.
    """

    def __init__(self, channels: int, side: int, num_classes: int):
        super().__init__(
            nn.ReLU(),
            nn.AvgPool2d(5, 3 if side == 8 else 2, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(inplace=True),
            nn.Conv2d(128, 768, 2, bias=False),
            # The release lacks this one for ImageNet, by mistake according to its own comment.
            *([nn.BatchNorm2d(768)] if side == 8 else []),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(768, num_classes),
        )


class AuxiliaryNetwork(CellNetwork):
    """A network with an auxiliary head, which returns (scores, auxiliary scores) in training.

    Args:
        plan: Wiring of the blocks.
        auxiliary: Second classifier.
    """

    has_auxiliary_head = True

    def __init__(self, plan: Plan, auxiliary: AuxiliaryHead):
        super().__init__(plan)
        self.auxiliary = auxiliary

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:  # type: ignore[override]
        if not self.training:
            return super().forward(x)
        scores, features = self.run(x, keep=(self.plan.named[AUXILIARY],))
        return scores, self.auxiliary(features)


class SearchSupernet(CellSupernet):
    """The supernet of the release's search (quark0/darts, cnn/model_search.py).

    Args:
        space: Space whose architectures it runs.
        num_classes: Number of classes of the classifier. None: the space's.
        channel_divisor: Ratio of the channels to those of the operations on edges.
    """

    def __init__(self, space: CellSpace, num_classes: int | None = None, channel_divisor: int = 1):
        super().__init__(space, num_classes, channel_divisor)
        for name, module in self.places.items():
            if name.startswith("stem_"):
                learn_affine(module)

    def candidate(self, block: Block) -> nn.Module:
        """Build the module of a block; pools are normalised without scale and shift."""
        module = super().candidate(block)
        if block.operator not in ("max_pool", "avg_pool"):
            return module

        # Otherwise the weights of pools' logits would depend on the scale of their inputs.
        return nn.Sequential(module, nn.BatchNorm2d(block.output[0], affine=False))
