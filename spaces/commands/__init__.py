"""`python -m spaces`: inspect search spaces, convert and draw architectures."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spaces.console.group import Group, example
from spaces.console.outputs import OUTPUT_FILE

if TYPE_CHECKING:
    from spaces.architecture import Architecture
    from spaces.space import SearchSpace

# Candidates of a choice that `show` lists.
_MOST_CANDIDATES = 12


@click.group(cls=Group)
def main() -> None:
    """Search spaces: the networks among which a search chooses."""


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
        table.add_row(
            name, str(len(space.choices)), magnitude(space.size), shape, str(space.num_classes)
        )
    Console().print(table)


@main.command(epilog=example("python -m spaces show 'spos(input_size=160)'"))
@click.argument("name")
def show(name: str) -> None:
    """Show a space: its choices, the range of its MACs, its published networks."""
    from rich.console import Console
    from rich.table import Table

    from spaces.registry import get
    from spaces.zoo.publications import published, published_names

    space = get(name)
    table = Table("choice", "candidates", title=space.name)
    for choice in space.choices:
        candidates = ", ".join(choice.candidates[:_MOST_CANDIDATES])
        if len(choice.candidates) > _MOST_CANDIDATES:
            candidates += " ..."
        table.add_row(choice.key, candidates)

    console = Console()
    console.print(table)
    console.print(
        f"{magnitude(space.size)} architectures, input {'x'.join(map(str, space.input_shape))}"
    )
    console.print(_range_of("macs", "MACs (the papers' FLOPs)", space))
    if space.has_binary_macs:
        console.print(_range_of("binary_macs", "binary MACs", space))

    for network in published_names(name):
        architecture = published(network)

        # A network may belong to a variant of the space, such as that for ImageNet.
        owner = get(architecture.space)
        console.print(
            f"{network}: {owner.macs(architecture) / 1e6:.1f} M MACs,"
            f" {owner.params(architecture) / 1e6:.2f} M parameters, in {owner.name}",
            soft_wrap=True,
        )


def magnitude(size: int) -> str:
    """Return a number of architectures as text, in powers of ten where it is large."""
    return str(size) if size < 100_000 else f"{size:.4g}"


def _range_of(count: str, title: str, space: SearchSpace) -> str:
    """Return the range of a count over a space's networks as text.

    Args:
        count: `macs` or `binary_macs`.
        title: Name of the count for people.
        space: Space of the networks.
    """
    from operator import attrgetter

    import numpy as np

    from spaces.chains.additive_space import AdditiveSpace

    if isinstance(space, AdditiveSpace):
        (least, _), (greatest, _) = space.additive_table(attrgetter(count), np.int64).bounds()
        return f"{title} {least / 1e6:.2f} M to {greatest / 1e6:.2f} M"

    # Where costs are no sums over choices, the exact bounds would need every architecture.
    counts = getattr(space, count)(space.sample(np.random.default_rng(0), 1000))
    return f"{title} of 1000 samples {counts.min() / 1e6:.2f} M to {counts.max() / 1e6:.2f} M"


@main.command(epilog=example("python -m spaces sample spos -n 5 --seed 1"))
@click.argument("name")
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of architectures.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sample.")
def sample(name: str, count: int, seed: int) -> None:
    """Sample architectures uniformly, one JSON object a line."""
    import numpy as np

    from spaces.registry import get

    space = get(name)
    for architecture in space.decode(space.sample(np.random.default_rng(seed), count)):
        click.echo(architecture.to_json())


@main.command(epilog=example("python -m spaces count arch.json"))
@click.argument("source", metavar="ARCH")
def count(source: str) -> None:
    """Count the MACs and parameters of an architecture, block by block, as JSON.

    ARCH is a file in any format that can be detected, or the name of a published network.
    """
    from spaces.registry import get

    architecture = _architecture(source)
    space = get(architecture.space)
    blocks = [
        {"block": block.key, "macs": block.macs, "params": block.params}
        for block in space.blocks(architecture)
    ]
    report = {
        "space": space.name,
        "macs": space.macs(architecture),
        "params": space.params(architecture),
    }
    if space.has_binary_macs:
        report["binary_macs"] = space.binary_macs(architecture)
    click.echo(json.dumps({**report, "blocks": blocks}, indent=1))


@main.command(
    epilog=example("python -m spaces convert --from nni --to pathfit --space spos nni.json")
)
@click.argument("source", metavar="ARCH")
@click.option(
    "--from", "before", default=None, help="Format of the file; see `formats`.  [default: detected]"
)
@click.option(
    "--to",
    "after",
    default="pathfit",
    show_default=True,
    help="Format to write; see `formats`.",
)
@click.option("--space", "space", default=None, help="Space, where the format does not name it.")
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=None,
    help="File to write.  [default: standard output]",
)
def convert(
    source: str, before: str | None, after: str, space: str | None, output: Path | None
) -> None:
    """Convert an architecture between the formats of the field's systems.

    ARCH is a file, or the name of a published network. Most formats of other systems do not name
    the space: where the output alone would be read as another one, a note says so.
    """
    from spaces import formats
    from spaces.files import write_text

    architecture = _architecture(source, before, space)
    text = formats.write(architecture, after).rstrip("\n")
    if output is None:
        click.echo(text)
    else:
        write_text(output, text + "\n")
        click.echo(f"wrote {output}")
        # A net.config does not state the resolution.
        if after == "ofa" and output.name.endswith("net.config"):
            run_config = output.with_name(output.name.removesuffix("net.config") + "run.config")
            write_text(run_config, formats.write_run_config(architecture) + "\n")
            click.echo(f"wrote {run_config}")

    if not formats.names_space(text, architecture, path=output):
        click.echo(
            f"{after} does not name the space of this architecture: read it with --space"
            f" {shlex.quote(architecture.space)}",
            err=True,
        )


@main.command("formats", epilog=example("python -m spaces formats"))
def formats_() -> None:
    """List the formats that `convert` reads and writes (see `pathfit list format`)."""
    from spaces import formats

    for name in formats.available():
        click.echo(name)


@main.command(
    epilog=example("""
        python -m spaces draw proxyless-mobile -o proxyless-mobile.svg
        python -m spaces draw runs/found/architecture.json \\
            --probabilities runs/found/probabilities.json -o found.svg
        """)
)
@click.argument("source", metavar="ARCH")
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    required=True,
    help="Picture: svg, png or pdf.",
)
@click.option(
    "--engine",
    type=click.Choice(["graphviz", "matplotlib"]),
    help="[default: graphviz where it is installed]",
)
@click.option("--space", "space", default=None, help="Space, where the format does not name it.")
@click.option(
    "--probabilities",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="File probabilities.json of a search, whose probabilities are added to the boxes.",
)
def draw(
    source: str, output: Path, engine: str | None, space: str | None, probabilities: Path | None
) -> None:
    """Draw an architecture: its operations, widths and strides.

    ARCH is a file in any format that can be detected, or the name of a published network.
    """
    from spaces.drawing.probabilities import read_probabilities
    from spaces.drawing.renderer import draw as draw_sketch
    from spaces.registry import get

    architecture = _architecture(source, space=space)
    sketch = get(architecture.space).sketch(architecture)
    if probabilities is not None:
        sketch = sketch.with_probabilities(read_probabilities(probabilities))
    draw_sketch(sketch, output, engine)
    click.echo(f"wrote {output}")


def _architecture(source: str, before: str | None = None, space: str | None = None) -> Architecture:
    from spaces import formats
    from spaces.zoo.publications import published, published_names

    if not Path(source).exists() and source in published_names():
        return published(source)
    return formats.read_architecture(source, space, before)
