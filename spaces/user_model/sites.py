"""Positions of the mutables of a model, and conditions under which its network has them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from spaces.choice import Choice
from spaces.modules.mutable import Mutable, assign_keys
from spaces.user_model.conditions import Chain, Chains


@dataclass(frozen=True)
class Site:
    """Position of a mutable.

    Args:
        path: Path of the module in the model.
        column: Column of its choice in the codes.
        chains: Conditions under which it belongs to the network; empty: never.
    """

    path: str
    column: int
    chains: Chains


def sites(model: nn.Module) -> tuple[list[Choice], list[Site]]:
    """Assign keys to the mutables of a model.

    Returns:
        Choices in the order of module paths, and the mutables.

    Raises:
        InvalidParameter: Keys contradict each other.
    """
    choices = {mutable.choice.key: mutable.choice for mutable in assign_keys(model)}
    column = {key: index for index, key in enumerate(choices)}
    chains: dict[int, dict[Chain, None]] = {}
    mutables: list[tuple[str, Mutable]] = []
    enclosing: dict[str, Mutable] = {}

    # A module that is registered twice has two paths, and belongs to the network where one does.
    for path, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, Mutable):
            if id(module) not in chains:
                mutables.append((path, module))
            chains_of_module = chains.setdefault(id(module), {})
            chain = _chain(path, enclosing, column)
            if chain is not None:
                chains_of_module[chain] = None
            enclosing[path] = module

    return list(choices.values()), [
        Site(path, column[module.choice.key], _simplest(chains[id(module)]))
        for path, module in mutables
    ]


def _chain(path: str, enclosing: dict[str, Mutable], column: dict[str, int]) -> Chain | None:
    """Return the conditions of the module at `path`; None where they contradict each other."""
    required: dict[int, frozenset[int]] = {}
    for outer, mutable in enclosing.items():
        below = path.removeprefix(f"{outer}." if outer else "")
        if below and (not outer or below != path):
            codes = mutable.codes_running(below)
            if len(codes) < len(mutable.choice.candidates):
                index = column[mutable.choice.key]
                required[index] = required.get(index, codes) & codes
    return tuple(required.items()) if all(required.values()) else None


def _simplest(chains: dict[Chain, None]) -> Chains:
    return ((),) if () in chains else tuple(chains)


def conditions(choices: list[Choice], places: list[Site]) -> list[Chains]:
    """Return the condition of each choice: one of its mutables belongs to the network."""
    # Dictionaries rather than sets, for the same order in every process.
    chains_of_choice: list[dict[Chain, None]] = [{} for _ in choices]
    for site in places:
        chains_of_choice[site.column].update(dict.fromkeys(site.chains))
    return [_simplest(chains) for chains in chains_of_choice]


def value_columns(model: nn.Module, choices: list[Choice]) -> list[int]:
    """Return the columns of the choices whose values the model's code reads."""
    keys = {
        module.choice.key
        for module in model.modules()
        if isinstance(module, Mutable) and module.returns_plain_value
    }
    return [column for column, choice in enumerate(choices) if choice.key in keys]
