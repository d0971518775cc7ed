"""Once-for-All's supernet: one set of weights a layer, of which every candidate is a part (arXiv
1908.09791).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.chains.additive_space import ChoiceLayer
from spaces.modules.blocks import build
from spaces.modules.choices import LayerChoice
from spaces.modules.elastic_block import ElasticDepthwise, ElasticMBConv
from spaces.modules.network import ChainNetwork, Initialiser, materialise
from spaces.modules.supernet import ChainSupernet, ResizingSupernet, Supernet

if TYPE_CHECKING:
    from spaces.chains.chain import ChainSpace, Layout


class ElasticPart(nn.Module):
    """One candidate of an elastic layer: a view without weights of its own.

    Its parameters and statistics are those of the whole layer, whose they are in state dicts.

    Args:
        whole: the layer's weights.
        block: what is computed.
    """

    def __init__(self, whole: ElasticMBConv, block: Block):
        super().__init__()
        # Not a submodule, or the weights would be in state dicts once for each candidate.
        self.__dict__["whole"] = whole
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        whole: ElasticMBConv = self.__dict__["whole"]
        result: Tensor = whole(x, self.block.kernel or 3, self.block.expansion or 1)
        return result

    def named_modules(
        self, memo: set[nn.Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Module]]:
        """This module and those of the whole layer, so that what runs can be found (`parameters`,
        `buffers`).
        """
        memo = set() if memo is None else memo
        yield from super().named_modules(memo, prefix, remove_duplicate)
        inner = f"{prefix}.whole" if prefix else "whole"
        yield from self.__dict__["whole"].named_modules(memo, inner, remove_duplicate)

    def extra_repr(self) -> str:
        return str(self.block)


class ElasticLayerChoice(LayerChoice):
    """A LayerChoice whose candidates share their weights; a candidate without blocks passes its
    input on.

    Args:
        candidates: name -> at most one block.
        key: the choice's key.
    """

    def __init__(self, candidates: Mapping[str, Sequence[Block]], key: str):
        blocks = [block for each in candidates.values() for block in each]
        whole = ElasticMBConv(blocks)
        views = {
            name: ElasticPart(whole, each[0]) if len(each) else nn.Identity()
            for name, each in candidates.items()
        }
        super().__init__(views, key)
        # Before the views, so that its weights are named after it and not after the first of them.
        views_of = self._modules.pop("candidates")
        self.whole = whole
        self._modules["candidates"] = views_of


class ElasticSupernet(ChainSupernet):
    """A chain of fixed blocks and elastic layers, its normalisations with scale and shift as in the
    networks.
    """

    @torch.no_grad()
    def sort_channels(self) -> None:
        """Order the hidden channels of all layers by importance; see
        `ElasticMBConv.sort_channels`.
        """
        for choice in self.choices:
            if isinstance(choice, ElasticLayerChoice):
                choice.whole.sort_channels()

    @torch.no_grad()
    def copy_to(self, network: nn.Module, architecture: Architecture) -> None:
        """Give the network of an architecture its part of the weights and statistics.

        Args:
            network: as `space.network(architecture)` builds it, for as many classes.
            architecture: active afterwards.
        """
        assert isinstance(network, ChainNetwork)
        self.activate(architecture)
        running = [part for part in self.path() if not isinstance(part, nn.Identity)]
        for own, part in zip(network.blocks, running, strict=True):
            if isinstance(part, ElasticPart):
                part.__dict__["whole"].copy_to(own, part.block)
            else:
                own.load_state_dict(part.state_dict())

    @property
    def num_classes(self) -> int:
        """Classes that the last layer tells apart."""
        return [
            part.out_features for part in self.layers[-1].modules() if isinstance(part, nn.Linear)
        ][-1]


def elastic_of(supernet: nn.Module) -> ElasticSupernet | None:
    """The elastic supernet, also behind elastic resolution; None where a supernet is of another
    kind.
    """
    inner = supernet.inner if isinstance(supernet, ResizingSupernet) else supernet
    return inner if isinstance(inner, ElasticSupernet) else None


def extract(supernet: Supernet, architecture: Architecture) -> nn.Module:
    """The network of an architecture with its part of an elastic supernet's weights; it computes
    what the path does.

    Args:
        supernet: elastic, with or without elastic resolution.
        architecture: of its space; active in it afterwards.
    """
    found = elastic_of(supernet)
    assert found is not None
    network = supernet.space.network(architecture, found.num_classes)
    copy_part(network, supernet, architecture)
    return network.train(supernet.training)


def copy_part(network: nn.Module, supernet: Supernet, architecture: Architecture) -> bool:
    """Give a network its part of an elastic supernet's weights; False, and nothing done, for other
    supernets.
    """
    found = elastic_of(supernet)
    if found is None:
        return False
    supernet.activate(architecture)
    rest = {choice.key: architecture.choices[choice.key] for choice in found.space.choices}
    found.copy_to(network, found.space.architecture(rest))
    return True


def elastic_supernet(
    space: ChainSpace,
    layout: Layout,
    initialise: Initialiser,
    generator: torch.Generator | None = None,
) -> ElasticSupernet:
    """The supernet of a chain whose candidates are inverted residuals; arguments as of
    `chain_supernet`.
    """

    def make() -> ElasticSupernet:
        return ElasticSupernet(space, [_layer(part) for part in layout])

    def begin(module: nn.Module, generator: torch.Generator) -> None:
        initialise(module, generator)
        for part in module.modules():
            if isinstance(part, ElasticDepthwise):
                part.reset_matrices()

    return materialise(make, begin, generator)


def _layer(part: Any) -> nn.Module:
    return (
        ElasticLayerChoice(part.candidates, part.key)
        if isinstance(part, ChoiceLayer)
        else build(part)
    )
