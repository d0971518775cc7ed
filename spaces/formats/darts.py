"""Genotypes of DARTS and aw_nas as architectures of a space of cells.

`spaces.formats.genotype` describes the texts.
"""

from __future__ import annotations

from spaces.architecture import Architecture
from spaces.cells.darts_design import SLOTS
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
from spaces.zoo.darts import ENAS_NODES, ENAS_OPERATIONS


class Darts:
    """Genotypes of DARTS; aw_nas's are read too.

    The space is `darts` where no other is named, with as many nodes and inputs as the genotype has,
    and `repeated_inputs=True` for a node that reads one input twice. Five nodes with operations of
    ENAS alone are of the space `enas`.
    """

    def detects(self, text: str, value: object) -> bool:
        return looks_like_genotype(text)

    def read(self, source: Source) -> Architecture:
        genotype = parse_genotype(source.text)
        return architecture_of(source.space or _space_of(genotype), genotype)

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        genotype = genotype_of(space, architecture)
        # The text does not say where a node ends.
        if any(len(node) != SLOTS for node in (*genotype.normal, *genotype.reduce)):
            raise InvalidArchitecture(
                f"genotypes of DARTS have {SLOTS} inputs a node, unlike {space.name}; aw-nas writes"
                " any number"
            )
        return format_darts(genotype)


class AwNas(Darts):
    """Genotypes of aw_nas; DARTS's are read too. Its spaces are those of `Darts`."""

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


def _space_of(genotype: Genotype) -> ChoiceSpace:
    """Return the space of a genotype whose space is not named."""
    nodes = [*genotype.normal, *genotype.reduce]
    steps = len(genotype.normal)
    operations = {edge.operation for node in nodes for edge in node}
    inputs = max((len(node) for node in nodes), default=SLOTS)
    if steps == ENAS_NODES and inputs == SLOTS and operations <= {*ENAS_OPERATIONS}:
        return get("enas")

    repeated = any(len({edge.source for edge in node}) < len(node) for node in nodes)
    return get("darts", repeated_inputs=repeated, steps=max(steps, 1), inputs=max(inputs, 1))


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
            f"{key} has the input {_repeated(sources)} twice; {space.name} needs different inputs,"
            " unlike a space with repeated_inputs=True"
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


def _repeated(sources: list[int]) -> int:
    """Return the first number that occurs more than once."""
    return next(source for source in sources if sources.count(source) > 1)
