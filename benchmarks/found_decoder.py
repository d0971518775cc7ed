"""Compare a found decoder with random ones that take as long to decode a token.

    python benchmarks/found_decoder.py --run runs/language --data text:shakespeare.txt.gz \
        --level characters -o runs/found-decoder

`--run` is the folder of `pathfit run examples/pipelines/language.yaml`: its table gives the decode
latency of the found network, and five random decoders that take 95 to 100% of it are drawn. All are
trained in one way for as many updates, each from new weights of its own seed, and tested.
torch's own LSTM with as many parameters as the found decoder is trained for as much processor time,
with the best of three learning rates on the validation part in trainings of a tenth of that time.
The report has bits per character with 95% intervals over tokens. The same command resumes: a
network that was tested already is not trained again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from character_lstm import LstmTraining
from processor_time import child_seconds, stopwatch
from rich.console import Console
from rich.table import Table

from oneshot.data.registry import load
from oneshot.errors import InvalidOption
from oneshot.training.recipe import Recipe
from spaces.architecture import Architecture
from spaces.files import write_text
from spaces.formats import read_architecture
from spaces.registry import get
from spaces.space import SearchSpace
from tables.cost.model import CostModel
from tables.lookup_table import LookupTable

METRIC = "decode_ms"

RECIPE = Recipe(
    batch_size=8,
    optimizer="adamw",
    learning_rate=0.003,
    schedule="cosine",
    weight_decay=0.1,
    warmup=100,
    clip=1.0,
    label_smoothing=0.0,
)
"""Recipe of the decoders, but for the number of updates."""

LSTM_RECIPE = Recipe(
    batch_size=32,
    optimizer="adamw",
    schedule="cosine",
    weight_decay=0.1,
    clip=1.0,
    label_smoothing=0.0,
)
"""Recipe of the LSTM, but for the learning rate and the number of updates."""

LSTM_RATES = (0.002, 0.004, 0.008)

# Tokens of a window of the LSTM, which carries its state from each window to the next.
_LSTM_LENGTH = 64

# Updates by which the time of an update and the best learning rate are found, at least.
_LEAST_TRIAL = 20

# Fraction of the found network's latency that a random one uses at least.
_LEAST = 0.95
_SAMPLES = 20_000


@click.command()
@click.option("--run", "run_folder", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--data", required=True, help="Text of the trainings, as for `oneshot retrain`.")
@click.option("--level", default="words", show_default=True, help="Tokens of the text.")
@click.option("--random", "count", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--steps", type=int, default=2500, show_default=True, help="Updates of each network.")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16"]),
    default="fp32",
    show_default=True,
    help="Number format of the decoders' trainings; the LSTM's is fp32.",
)
@click.option("--threads", type=int, default=1, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(
    run_folder: Path,
    data: str,
    level: str,
    count: int,
    steps: int,
    precision: str,
    threads: int,
    seed: int,
    output: Path,
) -> None:
    """Train the found decoder, random ones of its latency and an LSTM, and report their bits."""
    torch.set_num_threads(threads)
    found = read_architecture(run_folder / "search.json")
    space = get(found.space)
    table = LookupTable.read(run_folder / "profile.json")
    model = table.cost_model(space, METRIC)
    networks = {"found": found}
    for number, architecture in enumerate(matched(space, model, found, count, seed), 1):
        networks[f"random {number}"] = architecture

    reports: dict[str, dict[str, Any]] = {}
    for index, (name, architecture) in enumerate(networks.items()):
        folder = output / name.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "architecture.json", architecture.to_json())
        settings = ["--data", data, "--level", level, "--steps", str(steps)]
        settings += ["--precision", precision]
        settings += ["--threads", str(threads), "--seed", str(seed + index)]
        reports[name] = trained(folder, settings)
        reports[name] |= {
            METRIC: float(model.estimate([architecture])[0]),
            "params": space.params(architecture),
        }

    params = reports["found"]["params"]
    seconds = reports["found"]["seconds"]
    reports["lstm"] = lstm_report(output, data, level, params, seconds, seed)
    write_text(output / "report.json", json.dumps(reports, indent=1) + "\n")
    print_report(reports)


def matched(
    space: SearchSpace, model: CostModel, found: Architecture, count: int, seed: int
) -> list[Architecture]:
    """Return random architectures that take 95 to 100% of the found one's latency.

    Args:
        space: Space of the architectures.
        model: Cost model of the latency.
        found: Architecture whose latency is matched.
        count: Number of architectures.
        seed: Seed of the sample.

    Raises:
        InvalidOption: Too few of the sampled architectures have such a latency.
    """
    limit = float(model.estimate([found])[0])
    codes = space.sample(np.random.default_rng(seed), _SAMPLES)
    costs = model.estimate(codes)
    within = codes[(costs <= limit) & (costs >= _LEAST * limit)]
    if len(within) < count:
        raise InvalidOption(
            f"random: only {len(within)} of {_SAMPLES} samples take {_LEAST:.0%} to 100% of"
            f" {limit:.4g} ms; ask for fewer"
        )
    return space.decode(within[:count])


def trained(folder: Path, settings: list[str]) -> dict[str, Any]:
    """Train and test the network of a folder unless it has been, and return its report."""
    network = folder / "network"
    report = network / "test.json"
    if not report.is_file():
        recipe = [
            *("--batch-size", str(RECIPE.batch_size), "--optimizer", RECIPE.optimizer),
            *("--learning-rate", str(RECIPE.learning_rate), "--schedule", RECIPE.schedule),
            *("--weight-decay", str(RECIPE.weight_decay), "--warmup", str(RECIPE.warmup)),
            *("--clip", str(RECIPE.clip), "--label-smoothing", str(RECIPE.label_smoothing)),
        ]
        command = [sys.executable, "-m", "oneshot", "retrain", "--task", "language"]
        command += ["--arch", str(folder / "architecture.json"), *settings, *recipe]
        resumed = ["--resume"] if (network / "last.ckpt").is_file() else []
        with stopwatch(folder / "seconds.json", child_seconds):
            subprocess.run([*command, *resumed, "-o", str(network)], check=True)
    result: dict[str, Any] = json.loads(report.read_text())
    return {**result, "seconds": json.loads((folder / "seconds.json").read_text())}


def lstm_report(
    folder: Path, data: str, level: str, params: int, seconds: float, seed: int
) -> dict[str, Any]:
    """Train an LSTM for some processor time, and return its report.

    Args:
        folder: Folder of the trainings.
        data: Text.
        level: Tokens of the text.
        params: Most parameters.
        seconds: Processor time of the training.
        seed: Seed of weights.
    """
    path = folder / "lstm.json"
    if not path.is_file():
        shape: Any = (_LSTM_LENGTH,)
        text = load(data, shape, text={"level": level})
        training = LstmTraining(text, LSTM_RECIPE, params, seed, folder)

        # The time of an update is known after a first training.
        _, seconds_per_step = training.best_rate(LSTM_RATES[:1], _LEAST_TRIAL)
        trial = max(_LEAST_TRIAL, round(0.1 * seconds / seconds_per_step))
        rate, seconds_per_step = training.best_rate(LSTM_RATES, trial)
        report = training.report(rate, round(seconds / seconds_per_step), "lstm")
        write_text(path, json.dumps(report, indent=1) + "\n")
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def print_report(reports: dict[str, dict[str, Any]]) -> None:
    """Print the bits per character of each network, the found one first."""
    rows = Table("network", "bits per character", "95%", METRIC, "parameters", "processor s")
    for name, report in reports.items():
        low, high = report["bits_per_character_interval"]
        rows.add_row(
            name,
            f"{report['bits_per_character']:.4f}",
            f"{low:.4f} to {high:.4f}",
            f"{report[METRIC]:.4g}" if METRIC in report else "",
            str(report["params"]),
            f"{report['seconds']:.0f}",
        )
    Console().print(rows)

    random = [
        value["bits_per_character"] for key, value in reports.items() if key.startswith("random")
    ]
    below = sum(reports["found"]["bits_per_character"] < value for value in random)
    print(f"the found network has fewer bits than {below} of {len(random)} random ones")


if __name__ == "__main__":
    main()
