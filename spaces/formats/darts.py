"""Genotypes of DARTS and aw_nas as architectures of a space of cells.

`spaces.formats.genotype` describes the texts.
"""

from __future__ import annotations

from spaces.architecture import Architecture
from spaces.choice import Combination
from spaces.choice_space import ChoiceSpace
from spaces.errors import InvalidArchitecture
from spaces.formats.format import Source
from spaces.formats.genotype import (
    Cell,
    Edge,
    Genotype,
    format_aw_nas,
    format_darts,
    looks_like_genotype,
    parse_genotype,
)
from spaces.registry import get


class Darts:
    """Genotypes of DARTS; aw_nas's are read too.

    The space is `darts` where no other is named, and `darts(repeated_inputs=True)` for a genotype
    with a node that reads one input twice.
    """

    def detects(self, text: str, value: object) -> bool:
        return looks_like_genotype(text)

    def read(self, source: Source) -> Architecture:
        genotype = parse_genotype(source.text)
        repeated = any(map(_repeats_inputs, (genotype.normal, genotype.reduce)))
        default = get("darts", repeated_inputs=repeated)
        return architecture_of(source.space or default, genotype)

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        return format_darts(genotype_of(space, architecture))


class AwNas(Darts):
    """Genotypes of aw_nas; DARTS's are read too. The space is `darts` where no other is named."""

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        return format_aw_nas(genotype_of(space, architecture))


def architecture_of(space: ChoiceSpace, genotype: Genotype) -> Architecture:
    """Return the architecture that a genotype describes.

    Args:
        space: Space with choices `normal_0_inputs`, `normal_0_op_0` and so on.
        genotype: Both cells.

    Raises:
        InvalidArchitecture: The number of nodes, an input or an operation does not belong to the
            space; the node is named.
    """
    nodes = _nodes(space)
    choices: dict[str, str] = {}
    for name, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
        if len(cell) != nodes:
            raise InvalidArchitecture(
                f"{name}: a cell of {space.name} has {nodes} nodes, not {len(cell)}"
            )

        for node, edges in enumerate(cell):
            choices.update(_node_choices(space, f"{name}_{node}", edges))

    return space.architecture(choices)


def genotype_of(space: ChoiceSpace, architecture: Architecture) -> Genotype:
    """Return the genotype of an architecture, with each node's entries ordered by their input."""
    nodes = _nodes(space)
    choices = architecture.choices

    def cell(name: str) -> Cell:
        return tuple(_node_edges(space, choices, f"{name}_{node}") for node in range(nodes))

    return Genotype(cell("normal"), cell("reduce"))


def _repeats_inputs(cell: Cell) -> bool:
    return any(len({edge.source for edge in node}) < len(node) for node in cell)


def _node_choices(space: ChoiceSpace, key: str, edges: tuple[Edge, ...]) -> dict[str, str]:
    inputs = _inputs(space, key)

    # A genotype may list the edges in any order; the codes have one.
    ordered = sorted(edges, key=lambda edge: edge.source)
    if len(ordered) != inputs.n_chosen:
        raise InvalidArchitecture(f"{key} has {inputs.n_chosen} entries, not {len(ordered)}")
    for edge in ordered:
        if not 0 <= edge.source < len(inputs.inputs):
            raise InvalidArchitecture(
                f"{key}: input {edge.source} is not one of 0 ... {len(inputs.inputs) - 1}"
            )

    sources = [edge.source for edge in ordered]
    if len(set(sources)) < len(sources) and not inputs.repeated:
        raise InvalidArchitecture(
            f"{key} has the input {sources[0]} twice; {space.name} needs different inputs, unlike a"
            " space with repeated_inputs=True"
        )

    operations = {f"{key}_op_{position}": edge.operation for position, edge in enumerate(ordered)}
    return {inputs.key: inputs.candidates[inputs.code_of(sources)], **operations}


def _node_edges(space: ChoiceSpace, choices: dict[str, str], key: str) -> tuple[Edge, ...]:
    inputs = _inputs(space, key)
    sources = inputs.subsets[inputs.code(choices[inputs.key])]
    return tuple(
        Edge(choices[f"{key}_op_{position}"], source) for position, source in enumerate(sources)
    )


def _inputs(space: ChoiceSpace, key: str) -> Combination:
    return next(choice for choice in _input_choices(space) if choice.key == f"{key}_inputs")


def _nodes(space: ChoiceSpace) -> int:
    return sum(choice.key.startswith("normal_") for choice in _input_choices(space))


def _input_choices(space: ChoiceSpace) -> list[Combination]:
    input_choices = [choice for choice in space.choices if isinstance(choice, Combination)]
    # Both cells have equally many nodes, with one choice of inputs a node.
    nodes = range(len(input_choices) // 2)
    keys = {f"{cell}_{node}_inputs" for cell in ("normal", "reduce") for node in nodes}
    if not input_choices or {choice.key for choice in input_choices} != keys:
        raise InvalidArchitecture(f"genotypes are for cells like those of darts, not {space.name}")
    return input_choices
