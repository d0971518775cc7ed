"""Run the user's own commands on a benchmark's space, from training images to a predictor.

    python benchmarks/truth_pipeline.py --space nasbench-macro --seed 0 -o runs/truth-macro

Each stage is a command of Pathfit; a finished stage is not repeated, an interrupted one resumes.
No accuracy of the benchmark is read before the predictor is written. The settings are those of all
spaces, and none was selected by an accuracy of a benchmark: images of 16 pixels, a quarter of the
channels, since narrow networks rank much like wide ones when they are trained longer for the same
time (Zhou et al., EcoNAS, CVPR 2020, arXiv 2001.01233); a supernet; its evaluations and proxies of
networks; short trainings that begin with the supernet's weights; a predictor that these weigh.

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
import numpy as np
from ranking_truth import Truth, baselines
from truth import print_rankings

import predictor
from predictor.gaussian.predictor import GaussianProcess
from predictor.proxies.aggregation import log_rank_sum
from spaces.files import write_text
from tables import evaluation

ROOT = Path(__file__).resolve().parents[1]

SMALL_SPACES = {
    "nasbench-macro": "nasbench-macro(head_channels=320,input_size=16,stem_channels=8)",
    "nasbench201": "nasbench201(channels=4,input_size=16)",
    "nasbench101": "nasbench101(input_size=16,stem_channels=32)",
}
"""Space -> the same choices at 16 pixels and a quarter of the channels."""

DATA = "packed-cifar10"
PROXIES = (
    *("synflow", "jacob_cov", "naswot", "snip", "grad_norm", "zen", "expressivity"),
    *("progressivity", "trainability", "swap", "zico", "meco", "params", "macs"),
)


@dataclass(frozen=True)
class PipelineSettings:
    """Lengths of the stages, the same for every space.

    Args:
        supernet_steps: Updates of the supernet.
        evaluations: Networks that the supernet evaluates.
        proxies: Networks whose proxies are measured.
        trainings: Networks that are trained for the first rung.
        training_steps: Updates of the first rung.
        rungs: Number of rungs; each has half of the networks and twice the updates.
    """

    supernet_steps: int = 3000
    evaluations: int = 100
    proxies: int = 48
    trainings: int = 24
    training_steps: int = 100
    rungs: int = 3


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
        # What these stages write while they run; the others resume without an option.
        unfinished = {"supernet": "supernet/run.json", "trained": "trained.json.evaluations.jsonl"}
        begun = name in unfinished and (self.folder / unfinished[name]).exists()
        resuming = ["--resume"] if begun else []
        plugin = ["--plugin", str(ROOT / "benchmarks" / "packed_cifar.py")] * (package == "oneshot")
        before = _child_seconds()
        completed = subprocess.run(
            [sys.executable, "-m", package, *plugin, *arguments, *resuming],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            check=False,
        )
        entry["minutes"] += (_child_seconds() - before) / 60
        entry["finished"] = completed.returncode == 0
        write_text(self.record, json.dumps(entries, indent=1) + "\n")
        if completed.returncode:
            raise click.ClickException(f"the stage {name} ended with {completed.returncode}")


def run_stages(folder: Path, space: str, seed: int, settings: PipelineSettings) -> Stages:
    """Run all stages of a space; the last one writes predictor.safetensors."""
    stages = Stages(folder)
    small = SMALL_SPACES[space]
    stages.run(
        "supernet",
        "oneshot",
        *("train", "--space", small, "--data", DATA, "--limit", "20000", "--validation", "2000"),
        *("--steps", str(settings.supernet_steps), "--batch-size", "64", "--learning-rate", "0.05"),
        *("--clip", "1", "--warmup", str(settings.supernet_steps // 20), "--schedule", "cosine"),
        *("--label-smoothing", "0", "--augment", "--no-tensorboard", "--threads", "1"),
        *("--seed", str(seed), "-o", "supernet"),
    )
    stages.run(
        "evaluations",
        "oneshot",
        *("evaluate", "supernet", "-n", str(settings.evaluations), "--images", "2000"),
        *("--recalibration-batches", "8", "--seed", str(seed), "-o", "supernet.jsonl"),
    )
    stages.run(
        "proxies",
        "oneshot",
        *("proxies", "--space", small, "--data", DATA, "--limit", "2000", "--images", "32"),
        *("-n", str(settings.proxies), "--threads", "1", "--seed", str(seed)),
        *(text for name in PROXIES for text in ("--proxy", name)),
        *("-o", "proxies.jsonl"),
    )
    stages.run(
        "trained",
        "oneshot",
        *("search", "--space", small, "--guide", "train:supernet", "--strategy", "random"),
        *("--option", f"evaluations={settings.trainings}"),
        *(
            "--training",
            f"steps={settings.training_steps}",
            "--training",
            f"rungs={settings.rungs}",
        ),
        *("--seed", str(seed), "-o", "trained.json"),
    )
    stages.run(
        "predictor",
        "predictor",
        *("train", "--data", "trained.json.evaluations.jsonl", "--space", space),
        *("--metric", "projected_cross_entropy", "--columns", "supernet.jsonl"),
        *("--columns", "proxies.jsonl", "--seed", str(seed), "--report", "predictor.json"),
        *("--threads", "1", "-o", "predictor.safetensors"),
    )
    return stages


def pieces(truth: Truth, folder: Path, seed: int) -> dict[str, dict[str, float]]:
    """Measure each kind of evidence alone, by a Gaussian process over the architecture."""
    trained = evaluation.read(folder / "trained.json.evaluations.jsonl")
    supernet = evaluation.read(folder / "supernet.jsonl")
    proxies = evaluation.read(folder / "proxies.jsonl")
    names = proxies[0].metrics
    sources = {
        f"{len(supernet)} supernet evaluations": (
            supernet,
            np.array(evaluation.scores(supernet, "cross_entropy")),
        ),
        f"{len(proxies)} networks' proxies": (
            proxies,
            log_rank_sum({name: np.array(evaluation.values(proxies, name)) for name in names}),
        ),
        f"{len(trained)} short trainings": (
            trained,
            np.array(evaluation.scores(trained, "projected_cross_entropy")),
        ),
    }
    rows = {}
    for name, (evaluations, values) in sources.items():
        choices = [truth.space.architecture(row.architecture.choices) for row in evaluations]
        process = GaussianProcess(truth.space, seed)
        process.fit(choices, values)
        rows[name] = truth.figures(process.predict(truth.codes)[0])
    return rows


@click.command()
@click.option("--space", "space_name", type=click.Choice(list(SMALL_SPACES)), required=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--accuracies",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="The benchmark's file.",
)
@click.option("--trainings", type=click.IntRange(min=10), default=24, show_default=True)
@click.option("--rungs", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(
    space_name: str,
    seed: int,
    accuracies: Path | None,
    trainings: int,
    rungs: int,
    output: Path,
) -> None:
    """Run the stages, then measure the predictor's ranking; print a table and write truth.json."""
    settings = PipelineSettings(trainings=trainings, rungs=rungs)
    stages = run_stages(output.resolve(), space_name, seed, settings)
    model = predictor.load(output / "predictor.safetensors")

    truth = Truth.load(space_name, accuracies)
    scores, _ = model.predict(truth.codes)
    rows = baselines(truth, seed)
    rankings = {**pieces(truth, output, seed), "pipeline": truth.figures(scores)}
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
