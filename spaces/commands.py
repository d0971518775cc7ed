"""`python -m spaces`: look at search spaces."""

from __future__ import annotations

import json

import click

from spaces.console import Group, example


@click.group(cls=Group)
def main() -> None:
    """Search spaces: what a network can be."""


@main.command("list", epilog=example("python -m spaces list"))
def list_() -> None:
    """List the registered spaces with their sizes."""
    from rich.console import Console
    from rich.table import Table

    from spaces.registry import available, get

    table = Table("space", "choices", "architectures", "input", "classes")
    for name in available():
        space = get(name)
        shape = "x".join(map(str, space.input_shape))
        table.add_row(name, str(len(space.choices)), f"{space.size:.4g}", shape, str(space.num_classes))
    Console().print(table)


@main.command(epilog=example("python -m spaces show 'spos(input_size=160)'"))
@click.argument("name")
def show(name: str) -> None:
    """Show a space: its choices, and the range of its MACs."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from spaces.chain import ChainSpace
    from spaces.registry import get

    space = get(name)
    table = Table("choice", "candidates", title=space.name)
    for choice in space.choices:
        table.add_row(choice.key, ", ".join(choice.candidates))
    console = Console()
    console.print(table)
    console.print(f"{space.size:.4g} architectures, input {'x'.join(map(str, space.input_shape))}")
    if isinstance(space, ChainSpace):
        (least, _), (greatest, _) = space.additive_table(lambda block: block.macs, np.int64).bounds()
        console.print(f"MACs (the papers' FLOPs) {least / 1e6:.2f} M to {greatest / 1e6:.2f} M")


@main.command(epilog=example("python -m spaces sample spos -n 5 --seed 1"))
@click.argument("name")
@click.option("-n", "count", type=click.IntRange(min=1), default=1, show_default=True, help="How many.")
@click.option("--seed", type=int, default=0, show_default=True)
def sample(name: str, count: int, seed: int) -> None:
    """Sample architectures uniformly, one JSON object a line."""
    import numpy as np

    from spaces.registry import get

    space = get(name)
    for architecture in space.decode(space.sample(np.random.default_rng(seed), count)):
        click.echo(architecture.to_json())


@main.command(epilog=example("python -m spaces count arch.json"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def count(file: str) -> None:
    """Count the MACs and parameters of an architecture, block by block, as JSON."""
    from spaces.architecture import Architecture
    from spaces.registry import get

    architecture = Architecture.read(file)
    space = get(architecture.space)
    blocks = [{"block": block.key, "macs": block.macs, "params": block.params} for block in space.blocks(architecture)]
    report = {"space": space.name, "macs": space.macs(architecture), "params": space.params(architecture)}
    click.echo(json.dumps({**report, "blocks": blocks}, indent=1))
