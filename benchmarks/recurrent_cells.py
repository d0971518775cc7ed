"""Compare recurrent cells that DARTS and ENAS find with random ones and an LSTM.

    python benchmarks/recurrent_cells.py --data text:shakespeare.txt.gz -o runs/recurrent-cells

On the characters of a text, both algorithms search a cell. These cells and five random ones are
trained in the same way, each from weights of the same seed, by the command `retrain`. torch's own
LSTM with as many parameters is trained for the same number of updates, and for as many as take the
same processor time as the mean training of a cell. The report is the bits per character on the test
part with the 95% interval over its characters, and the place of the found cells among the random
ones. The same command resumes after an interruption.

The learning rate of the LSTM is chosen on the validation part among three, in trainings of a
quarter of the updates.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from character_lstm import LstmTraining
from processor_time import child_seconds, stopwatch
from rich.console import Console
from rich.table import Table

import spaces
from oneshot.data.images import ImageData
from oneshot.data.registry import load
from oneshot.training.recipe import Recipe
from spaces.architecture import Architecture
from spaces.files import write_text
from spaces.space import SearchSpace

SEARCHES = ("darts", "enas")
LSTM_RATES = (5.0, 10.0, 20.0)


@dataclass(frozen=True)
class Comparison:
    """Setting of the comparison.

    Args:
        data: Text.
        space: Space of the cells, without a vocabulary.
        recipe: Training of every network.
        search_steps: Updates of each search.
        num_random: Number of random cells.
        seed: Seed of everything.
        threads: Number of torch's threads.
        folder: Folder of all runs.
    """

    data: str
    space: str
    recipe: Recipe
    search_steps: int
    num_random: int
    seed: int
    threads: int
    folder: Path

    def load(self) -> ImageData:
        """Return the text in windows of the space's length."""
        shape: Any = spaces.get(self.space).input_shape
        return load(self.data, shape, text={"level": "characters"})

    def options(self, steps: int) -> list[str]:
        """Return the options of every training by a command."""
        recipe = self.recipe
        return [
            *("--task", "language", "--data", self.data, "--level", "characters"),
            *("--batch-size", str(recipe.batch_size), "--steps", str(steps)),
            *("--learning-rate", str(recipe.learning_rate), "--momentum", str(recipe.momentum)),
            *("--schedule", recipe.schedule, "--clip", str(recipe.clip)),
            *("--weight-decay", str(recipe.weight_decay), "--label-smoothing", "0"),
            "--no-nesterov",
            *("--seed", str(self.seed), "--threads", str(self.threads), "--resume"),
        ]

    def cells(self, space: SearchSpace) -> dict[str, Architecture]:
        """Search and sample the cells, by name."""
        cells: dict[str, Architecture] = {}
        for algorithm in SEARCHES:
            folder = self.folder / algorithm
            path = folder / "architecture.json"
            if not path.exists():
                arguments = ["--space", self.space, "--algorithm", algorithm, "-o", str(folder)]
                command("train", *arguments, *self.options(self.search_steps))
            cells[algorithm] = Architecture.from_json(path.read_text(encoding="utf-8"))

        codes = space.sample(np.random.default_rng(self.seed), self.num_random)
        for number, architecture in enumerate(space.decode(codes)):
            cells[f"random-{number}"] = architecture
        return cells

    def trained_cell(self, name: str, architecture: Architecture) -> dict[str, Any]:
        """Train the network of a cell and return its report on the test part."""
        folder = self.folder / f"network-{name}"
        report = self.folder / f"{name}.json"
        if not report.exists():
            source = self.folder / f"{name}.architecture.json"
            write_text(source, architecture.to_json())
            arguments = ["--arch", str(source), "-o", str(folder)]
            with stopwatch(self.folder / f"{name}.seconds.json", child_seconds) as watch:
                command("retrain", *arguments, *self.options(self.recipe.steps or 0))
            result = json.loads((folder / "test.json").read_text(encoding="utf-8"))
            result |= {"name": name, "seconds": watch.seconds}
            write_text(report, json.dumps(result, indent=1) + "\n")
        loaded: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return loaded


def command(*arguments: str) -> None:
    """Run a command of oneshot; its errors end this program."""
    subprocess.run([sys.executable, "-m", "oneshot", *arguments], check=True)


def lstm_reports(
    comparison: Comparison, data: ImageData, params: int, seconds: float
) -> list[dict[str, Any]]:
    """Train LSTMs for as many updates as the cells, and for as much time; return their reports.

    Args:
        comparison: Setting.
        data: Text.
        params: Most parameters.
        seconds: Processor time of the second training.
    """
    path = comparison.folder / "lstm.json"
    if path.exists():
        loaded: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return loaded

    training = LstmTraining(data, comparison.recipe, params, comparison.seed, comparison.folder)
    steps = comparison.recipe.steps or 0
    rate, seconds_per_step = training.best_rate(LSTM_RATES, steps // 4)
    counts = {"lstm": steps, "lstm-time": max(steps, round(seconds / seconds_per_step))}
    reports = [training.report(rate, count, name) for name, count in counts.items()]

    write_text(path, json.dumps(reports, indent=1) + "\n")
    return reports


@click.command()
@click.option("--data", required=True, help="Text, such as text:shakespeare.txt.gz.")
@click.option("--width", type=int, default=96, show_default=True, help="Features of a state.")
@click.option("--nodes", type=int, default=8, show_default=True, help="Nodes of a cell.")
@click.option("--length", type=int, default=35, show_default=True, help="Tokens of a window.")
@click.option("--batch-size", type=int, default=32, show_default=True, help="Rows of a batch.")
@click.option("--steps", type=int, default=4000, show_default=True, help="Updates of a network.")
@click.option("--search-steps", type=int, default=2000, show_default=True, help="Of a search.")
@click.option("--random", "num_random", type=int, default=5, show_default=True, help="Cells.")
@click.option("--learning-rate", type=float, default=10.0, show_default=True, help="Of the cells.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything.")
@click.option("--threads", type=int, default=1, show_default=True, help="Threads of torch.")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(
    data: str,
    width: int,
    nodes: int,
    length: int,
    batch_size: int,
    steps: int,
    search_steps: int,
    num_random: int,
    learning_rate: float,
    seed: int,
    threads: int,
    output: Path,
) -> None:
    """Search, train and compare recurrent cells and an LSTM."""
    torch.set_num_threads(threads)
    output.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        momentum=0.0,
        weight_decay=0.0,
        label_smoothing=0.0,
        schedule="cosine",
        clip=0.5,
    )
    space_name = f"rnn(length={length}, nodes={nodes}, width={width})"
    comparison = Comparison(
        data, space_name, recipe, search_steps, num_random, seed, threads, output
    )
    text = comparison.load()
    space = spaces.get(space_name).for_vocabulary(text.num_classes)

    reports = []
    for name, architecture in comparison.cells(space).items():
        report = comparison.trained_cell(name, architecture)
        reports.append({**report, "params": space.params(architecture), "steps": steps})

    mean_seconds = float(np.mean([report["seconds"] for report in reports]))
    params = max(report["params"] for report in reports)
    reports += lstm_reports(comparison, text, params, mean_seconds)
    write_text(output / "comparison.json", json.dumps(reports, indent=1) + "\n")
    show(reports)


def show(reports: list[dict[str, Any]]) -> None:
    """Print the bits per character of every network, and those of the random cells together."""
    table = Table("network", "parameters", "updates", "processor s", "bits per character (95%)")
    for report in sorted(reports, key=lambda one: float(one["bits_per_character"])):
        low, high = report["bits_per_character_interval"]
        table.add_row(
            report["name"],
            str(report["params"]),
            str(report["steps"]),
            f"{report['seconds']:.0f}",
            f"{report['bits_per_character']:.3f} ({low:.3f} to {high:.3f})",
        )
    console = Console()
    console.print(table)

    bits = {report["name"]: float(report["bits_per_character"]) for report in reports}
    random = np.array([value for name, value in bits.items() if name.startswith("random-")])
    if len(random) > 1:
        console.print(
            f"random cells: {random.mean():.3f} +- {random.std(ddof=1):.3f}, best"
            f" {random.min():.3f}",
            soft_wrap=True,
        )
    for name in SEARCHES:
        worse = int((random > bits[name]).sum())
        console.print(f"{name}: better than {worse} of {len(random)} random cells")


if __name__ == "__main__":
    main()
