"""`python -m oneshot retrain`: train a found network from scratch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from oneshot.commands.options import FILE, recipe, recipe_options, run_settings, set_threads
from spaces.console import example


@click.command(epilog=example("python -m oneshot retrain --arch result.json --data digits -o runs/network"))
@click.option("--arch", type=FILE, required=True, help="An architecture, or a search result (its best is taken).")
@recipe_options
def retrain(arch: Path, **options: Any) -> None:
    """Train an architecture's network from scratch and test it."""
    from oneshot.evaluator import quality
    from oneshot.interval import wilson
    from oneshot.result import read_architecture
    from oneshot.retraining import train_network
    from oneshot.run import begin
    from spaces.files import write_text
    from spaces.progress import Bar
    from spaces.registry import get

    architecture = read_architecture(arch)
    space = get(architecture.space)
    settings = run_settings("network", space, recipe(options), options)
    run = begin(options["output"], {**settings, "architecture": architecture.to_dict()}, options["resume"])
    set_threads(options["threads"])
    with Bar(f"training {arch.name}") as bar:
        network = train_network(run, bar.update)
    data = run.data()
    found = quality(network, data.test)
    low, high = wilson(found["top1"], len(data.test))
    report = {**found, "top1_interval": [low, high], "images": len(data.test), "data": data.name, "split": "test"}
    write_text(run.folder / "test.json", json.dumps(report, indent=1) + "\n")
    click.echo(f"test top-1 {found['top1']:.2f} (95%: {low:.2f} to {high:.2f}) on {len(data.test)} images")
    click.echo(f"wrote {run.weights}; export it with: python -m oneshot export {run.folder} -o network.onnx")
