"""Run the user's own commands on a benchmark's space, from training images to a predictor.

    python benchmarks/truth_pipeline.py --space nasbench-macro --seed 0 -o runs/truth-macro

Each stage is a command of Pathfit; a finished stage is not repeated, an interrupted one resumes.
No accuracy of the benchmark is read before the predictor is written. The settings are those of all
spaces: images of 16 pixels, a quarter of the channels, four proxies of random networks, and a
predictor that lets these vote. The proxies were selected on NAS-Bench-Macro and NAS-Bench-201, see
`docs/results/accuracy.md`. With `--samples 3` three samples vote, which takes three times as long.

The figures are those of `truth.py`: a search by the predictor under a limit that considers every
network of the space, as `--strategy exhaustive` does, returns the network that the ranking prefers.
Minutes are processor minutes of all stages, on one thread.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from ranking_truth import Truth, baselines
from truth import print_rankings

import predictor
from oneshot.pipeline.sample import VOTING_PROXIES
from predictor.evidence.predictor import EvidencePredictor
from spaces.files import write_text

ROOT = Path(__file__).resolve().parents[1]

SMALL_SPACES = {
    "nasbench-macro": "nasbench-macro(head_channels=320,input_size=16,stem_channels=8)",
    "nasbench201": "nasbench201(channels=4,input_size=16)",
    "nasbench101": "nasbench101(input_size=16,stem_channels=32)",
}
"""Space -> the same choices at 16 pixels and a quarter of the channels."""

DATA = "packed-cifar10"

SEED_STEP = 100
"""Difference of the seeds of two samples."""


@dataclass(frozen=True)
class PipelineSettings:
    """Lengths of the stages, the same for every space.

    Args:
        samples: Number of samples of random networks, each with seeds of its own, of equal votes.
        networks: Number of random networks of a sample whose proxies are measured.
        images: Number of training images that they are measured with.
        repeats: Number of initialisations of each network.
    """

    samples: int = 1
    networks: int = 96
    images: int = 32
    repeats: int = 2


class Stages:
    """Commands in a folder, with their processor minutes.

    Args:
        folder: Folder of all outputs.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.record = folder / "stages.json"
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def minutes(self) -> dict[str, float]:
        """Processor minutes by stage, of all its attempts."""
        if not self.record.exists():
            return {}
        return {
            name: entry["minutes"] for name, entry in json.loads(self.record.read_text()).items()
        }

    def run(self, name: str, package: str, *arguments: str) -> None:
        """Run `python -m PACKAGE ARGUMENTS` unless it has finished."""
        entries = json.loads(self.record.read_text()) if self.record.exists() else {}
        entry = entries.setdefault(name, {"minutes": 0.0, "finished": False})
        if entry["finished"]:
            return
        plugin = ["--plugin", str(ROOT / "benchmarks" / "packed_cifar.py")] * (package == "oneshot")
        before = _child_seconds()
        completed = subprocess.run(
            [sys.executable, "-m", package, *plugin, *arguments],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            check=False,
        )
        entry["minutes"] += (_child_seconds() - before) / 60
        entry["finished"] = completed.returncode == 0
        write_text(self.record, json.dumps(entries, indent=1) + "\n")
        if completed.returncode:
            raise click.ClickException(f"the stage {name} ended with {completed.returncode}")


def run_stages(
    folder: Path, small: str, space: str, seed: int, settings: PipelineSettings
) -> Stages:
    """Run all stages of a space; the last one writes predictor.safetensors.

    Args:
        folder: Folder of all outputs.
        small: Space whose networks are measured, with the same choices as `space`.
        space: Space of the predictor.
        seed: Seed of all stages.
        settings: Lengths of the stages.
    """
    stages = Stages(folder)
    columns = []
    for sample in range(settings.samples):
        number = f"-{sample + 1}" * (sample > 0)
        columns.append(f"proxies{number}.jsonl")
        stages.run(
            f"proxies{number}",
            "oneshot",
            *("proxies", "--space", small, "--data", DATA, "--limit", "2000", "--threads", "1"),
            *("-n", str(settings.networks), "--images", str(settings.images)),
            *("--repeats", str(settings.repeats), "--seed", str(seed + SEED_STEP * sample)),
            *(text for name in VOTING_PROXIES for text in ("--proxy", name)),
            *("-o", columns[-1]),
        )
    stages.run(
        "predictor",
        "predictor",
        *("train", *(text for column in columns for text in ("--columns", column))),
        *("--space", space, "--seed", str(seed)),
        *("--report", "predictor.json", "--threads", "1", "-o", "predictor.safetensors"),
    )
    return stages


def columns(truth: Truth, model: EvidencePredictor) -> dict[str, dict[str, float]]:
    """Measure each column of evidence alone."""
    return {
        f"{column.group}:{column.name}": truth.figures(process.log_ranks(truth.codes))
        for column, process in zip(model.columns, model.models, strict=True)
    }


@click.command()
@click.option("--space", "space_name", type=click.Choice(list(SMALL_SPACES)), required=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of samples of random networks, each with seeds of its own, of equal votes.",
)
@click.option(
    "--accuracies",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="The benchmark's file.",
)
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(space_name: str, seed: int, samples: int, accuracies: Path | None, output: Path) -> None:
    """Run the stages, then measure the predictor's ranking; print a table and write truth.json."""
    settings = PipelineSettings(samples)
    small = SMALL_SPACES[space_name]
    stages = run_stages(output.resolve(), small, space_name, seed, settings)
    model = predictor.load(output / "predictor.safetensors")
    assert isinstance(model, EvidencePredictor)

    truth = Truth.load(space_name, accuracies)
    scores, deviations = model.predict(truth.codes)
    rows = baselines(truth, seed)
    rankings = {
        **columns(truth, model),
        "pipeline, lower bound": truth.figures(scores - deviations),
        "pipeline": truth.figures(scores),
    }
    minutes = stages.minutes
    result = {
        "space": space_name,
        "seed": seed,
        "settings": asdict(settings),
        **rankings["pipeline"],
        "minutes": sum(minutes.values()),
        "minutes_by_stage": minutes,
        "evidence": model.trained_on["evidence"],
        "baselines": rows,
        "rankings": rankings,
    }
    write_text(output / "truth.json", json.dumps(result, indent=1) + "\n")
    print_rankings(f"{len(truth.distinct)} networks of {space_name}", {**rows, **rankings})
    click.echo(f"{model.trained_on['evidence']}; {sum(minutes.values()):.1f} processor minutes")


def _child_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
