"""Where the mutables of a model are, and when they belong to its network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from spaces.choice import Choice
from spaces.modules.mutable import Mutable, assign_keys
from spaces.user_model.conditions import Chain, Chains


@dataclass(frozen=True)
class Site:
    """A mutable at its place.

    Args:
        path: of the module in the model.
        column: of its choice in the codes.
        chains: when it belongs to the network; none: never.
    """

    path: str
    column: int
    chains: Chains


def sites(model: nn.Module) -> tuple[list[Choice], list[Site]]:
    """The choices of a model in the order of module paths, and its mutables, whose keys are
    assigned.

    Raises:
        InvalidParameter: keys contradict each other.
    """
    choices = {mutable.key: mutable.choice for mutable in assign_keys(model)}
    column = {key: index for index, key in enumerate(choices)}
    chains: dict[int, dict[Chain, None]] = {}
    placed: list[tuple[str, Mutable]] = []
    enclosing: dict[str, Mutable] = {}
    # A module that is registered twice has two paths, and belongs to the network where one of them
    # does.
    for path, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, Mutable):
            if id(module) not in chains:
                placed.append((path, module))
            found = chains.setdefault(id(module), {})
            chain = _chain(path, enclosing, column)
            if chain is not None:
                found[chain] = None
            enclosing[path] = module
    return list(choices.values()), [
        Site(path, column[module.key], _simplest(chains[id(module)])) for path, module in placed
    ]


def _chain(path: str, enclosing: dict[str, Mutable], column: dict[str, int]) -> Chain | None:
    """What must hold for the module at `path`; None where that contradicts itself."""
    needed: dict[int, frozenset[int]] = {}
    for outer, mutable in enclosing.items():
        below = path.removeprefix(f"{outer}." if outer else "")
        if below and (not outer or below != path):
            codes = mutable.codes_running(below)
            if len(codes) < len(mutable.choice.candidates):
                index = column[mutable.key]
                needed[index] = needed.get(index, codes) & codes
    return tuple(needed.items()) if all(needed.values()) else None


def _simplest(chains: dict[Chain, None]) -> Chains:
    return ((),) if () in chains else tuple(chains)


def conditions(choices: list[Choice], places: list[Site]) -> list[Chains]:
    """When each choice has an effect: where one of its mutables belongs to the network."""
    found: list[dict[Chain, None]] = [{} for _ in choices]
    for site in places:
        found[site.column].update(dict.fromkeys(site.chains))
    return [_simplest(chains) for chains in found]
