"""Once-for-All's supernet: candidates are slices of one set of weights per layer.

Cai et al., ICLR 2020 (arXiv 1908.09791).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.chains.additive_space import ChoiceLayer
from spaces.modules.blocks import build
from spaces.modules.choices import LayerChoice
from spaces.modules.elastic_block import ElasticDepthwise, ElasticMBConv
from spaces.modules.network import ChainNetwork, Initialiser, WiredNetwork, materialise
from spaces.modules.supernet import BlockSequence, ChainSupernet, ResizingSupernet, Supernet

if TYPE_CHECKING:
    from spaces.chains.chain import ChainSpace


class ElasticPart(nn.Module):
    """One candidate of an elastic layer, a view on the layer's weights.

    State dicts have the parameters and statistics at the layer only.

    Args:
        layer: Layer with the weights of all candidates.
        block: Block that the candidate computes.
    """

    def __init__(self, layer: ElasticMBConv, block: Block):
        super().__init__()
        # Not a submodule, or the weights would be in state dicts once for each candidate.
        self.__dict__["whole"] = layer
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        layer: ElasticMBConv = self.__dict__["whole"]
        result: Tensor = layer(x, self.block.kernel or 3, self.block.expansion or 1)
        return result

    def named_modules(
        self, memo: set[nn.Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Module]]:
        """Yield this module and the layer's, so that `parameters` and `buffers` find them."""
        memo = set() if memo is None else memo
        yield from super().named_modules(memo, prefix, remove_duplicate)
        inner = f"{prefix}.whole" if prefix else "whole"
        yield from self.__dict__["whole"].named_modules(memo, inner, remove_duplicate)

    def extra_repr(self) -> str:
        return str(self.block)


class ElasticLayerChoice(LayerChoice):
    """A LayerChoice whose candidates share weights; one without blocks passes its input.

    Args:
        candidates: Name -> at most one block.
        key: Key of the choice.
    """

    def __init__(self, candidates: Mapping[str, Sequence[Block]], key: str):
        layer = ElasticMBConv([block for blocks in candidates.values() for block in blocks])
        views = {
            name: ElasticPart(layer, blocks[0]) if len(blocks) else nn.Identity()
            for name, blocks in candidates.items()
        }
        super().__init__(views, key=key)

        # Registered before the views, so that its weights are named after it, not after a view.
        views_of = self._modules.pop("candidates")
        self.whole = layer
        self._modules["candidates"] = views_of


class SlicedSupernet(Supernet):
    """A supernet in which smaller architectures are slices of the largest one's weights."""

    num_classes: int
    """Number of classes of the classifier."""

    @abstractmethod
    def sort_channels(self, trained: int | None = None) -> None:
        """Sort channels by importance, so that smaller architectures have the most important ones.

        Args:
            trained: Expansion of narrower blocks that keep their channels; None: none.
        """

    @abstractmethod
    def copy_to(self, network: nn.Module, architecture: Architecture) -> None:
        """Copy the weights and statistics of an architecture to its network.

        Args:
            network: Network of `space.network(architecture)` with as many classes.
            architecture: Architecture of the space, which this activates.
        """


class ElasticSupernet(ChainSupernet, SlicedSupernet):
    """A chain of fixed blocks and elastic layers.

    Unlike in other supernets, normalisations have scale and shift, as the networks do.
    """

    @torch.no_grad()
    def sort_channels(self, trained: int | None = None) -> None:
        """Sort the hidden channels by importance; see `ElasticMBConv.sort_channels`.

        Args:
            trained: Expansion of narrower blocks that keep their channels; None: none.
        """
        for choice in self.choices:
            if isinstance(choice, ElasticLayerChoice):
                choice.whole.sort_channels(trained)

    @torch.no_grad()
    def copy_to(self, network: nn.Module, architecture: Architecture) -> None:
        """Copy the weights and statistics of an architecture to its network.

        Args:
            network: Network of `space.network(architecture)` with as many classes.
            architecture: Architecture of the space, which this activates.
        """
        assert isinstance(network, ChainNetwork | WiredNetwork)
        self.activate(architecture)

        # A skipped layer is an identity here, and absent in the network.
        sources = [
            block
            for module in self.path()
            if not isinstance(module, nn.Identity)
            for block in (module if isinstance(module, BlockSequence) else [module])
        ]

        for target, source in zip(network.blocks, sources, strict=True):
            if isinstance(source, ElasticPart):
                source.__dict__["whole"].copy_to(target, source.block)
            else:
                target.load_state_dict(source.state_dict())


def elastic_of(supernet: nn.Module) -> SlicedSupernet | None:
    """Return the elastic supernet, unwrapped from elastic resolution; None for other supernets."""
    inner = supernet.inner if isinstance(supernet, ResizingSupernet) else supernet
    return inner if isinstance(inner, SlicedSupernet) else None


def extract(supernet: Supernet, architecture: Architecture) -> nn.Module:
    """Build the network of an architecture with its weights of an elastic supernet.

    The network computes the same as the supernet's path.

    Args:
        supernet: Elastic supernet, with or without elastic resolution.
        architecture: Architecture of its space, which this activates.

    Example:
        >>> import numpy as np
        >>> import spaces
        >>> space = spaces.get("ofa-mobilenetv3(width=0.35, resolutions=(32,))")
        >>> supernet = space.supernet(num_classes=2).eval()
        >>> network = extract(supernet, space.sample(np.random.default_rng(0)))
        >>> x = torch.zeros(1, 3, 32, 32)
        >>> torch.allclose(network(x), supernet(x), atol=1e-5)
        True
    """
    elastic = elastic_of(supernet)
    assert elastic is not None
    network = supernet.space.network(architecture, elastic.num_classes)
    copy_part(network, supernet, architecture)
    return network.train(supernet.training)


def copy_part(network: nn.Module, supernet: Supernet, architecture: Architecture) -> bool:
    """Copy an architecture's weights of an elastic supernet to its network.

    Returns:
        Whether the supernet is elastic; otherwise nothing is copied.
    """
    elastic = elastic_of(supernet)
    if elastic is None:
        return False

    supernet.activate(architecture)
    # Without the resolution, which is no choice of the inner space.
    choices = {choice.key: architecture.choices[choice.key] for choice in elastic.space.choices}
    elastic.copy_to(network, elastic.space.architecture(choices))

    return True


def elastic_supernet(
    space: ChainSpace,
    num_classes: int | None,
    initialise: Initialiser,
    generator: torch.Generator | None = None,
) -> ElasticSupernet:
    """Build the supernet of a chain of inverted residuals; arguments as of `chain_supernet`."""

    def make() -> ElasticSupernet:
        layers = [_build_layer(item) for item in space.layout_for(num_classes)]
        return ElasticSupernet(space, layers, num_classes)

    initialise_layers = space.supernet_initialiser(initialise, num_classes)

    def initialise_all(module: nn.Module, generator: torch.Generator) -> None:
        initialise_layers(module, generator)
        # The initialiser knows convolutions and linear layers only.
        for submodule in module.modules():
            if isinstance(submodule, ElasticDepthwise):
                submodule.reset_matrices()

    return materialise(make, initialise_all, generator)


def _build_layer(item: Block | ChoiceLayer) -> nn.Module:
    if isinstance(item, Block):
        return build(item)

    blocks = [block for candidate in item.candidates.values() for block in candidate]
    # Only inverted residuals that differ in kernel and expansion are slices of one another.
    if all(block.operator == "mbconv" and block.hidden is None for block in blocks):
        return ElasticLayerChoice(item.candidates, key=item.key)
    return LayerChoice(
        {name: _in_order(candidate) for name, candidate in item.candidates.items()}, key=item.key
    )


def _in_order(blocks: Sequence[Block]) -> nn.Module:
    return build(blocks[0]) if len(blocks) == 1 else BlockSequence(*map(build, blocks))
