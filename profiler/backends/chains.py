"""Which architectures are chains of blocks, so that a backend may run their blocks one after the other."""

from __future__ import annotations

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.chains.chain import ChainSpace
from spaces.chains.resolution import ResolutionSpace
from spaces.space import SearchSpace


def chain_blocks(space: SearchSpace, architecture: Architecture) -> list[Block] | None:
    """The blocks of an architecture whose network is a chain, whatever its resolution; None for other networks."""
    chain = space.at(0) if isinstance(space, ResolutionSpace) else space
    return space.blocks(architecture) if isinstance(chain, ChainSpace) else None
