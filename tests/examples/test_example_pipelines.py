"""The files in examples/pipelines/: they have no faults, and each runs small to its end."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from oneshot.pipeline.building import read_pipeline
from oneshot.pipeline.document import read_document

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "pipelines"
PATHFIT = [sys.executable, "-c", "from service.pathfit import main; main()"]

SMALLEST = {
    "profile": ["budget=1s"],
    "train": ["epochs=1", "limit=96", "threads=1"],
    "evaluate": ["n=24", "images=40", "recalibration-batches=1"],
    "proxies": ["n=12", "images=8", "repeats=1"],
    "search": [],
    "retrain": ["epochs=1", "limit=96", "threads=1"],
    "measure": ["rounds=3"],
}
"""Stage -> options that make it small."""

CELLS = ["space=darts-tiny(channels=4, layers=3)"]
SEARCHED_BRIEFLY = ["search.option={population: 10, generations: 2}"]
SCORED_BRIEFLY = [
    "search.option={population: 4, generations: 1}",
    "search.images=40",
    "search.recalibration-batches=1",
]
# Twelve updates in all are fewer than those of the warm-up in the files.
OF_SCENES = ["train.warmup=1", "retrain.warmup=1"]
OPTIONS = {
    "darts": CELLS,
    "detection": [*OF_SCENES, *SEARCHED_BRIEFLY],
    "enas": [*CELLS, "train.option={final_samples: 2, controller_steps: 1}"],
    "fbnet": ["train.option={arch_warmup: 0}"],
    "ftt-features": SCORED_BRIEFLY,
    "ftt-weights": SCORED_BRIEFLY,
    "int8": [
        *SCORED_BRIEFLY,
        "search.constraint=latency_ms<=1000@profile",
        "export.max-drop=100",
    ],
    "language": [
        "space=decoder-tiny(vocabulary=9)",
        "profile.prompt=16",
        "profile.cache=16",
        "train.steps=4",
        "train.warmup=1",
        "retrain.steps=4",
        "retrain.warmup=1",
        *SEARCHED_BRIEFLY,
    ],
    "ofa": [*SEARCHED_BRIEFLY, "train.option={preset: tiny}"],
    "predictor": ["search.option={initial: 12, batch: 4, rounds: 1, pool: 50}"],
    "proxies": SEARCHED_BRIEFLY,
    "proxyless": [],
    "robust": SCORED_BRIEFLY,
    "segmentation": [*OF_SCENES, *SEARCHED_BRIEFLY],
    "snas": CELLS,
}
"""Example -> further options that make it small."""

NAMES = [
    pytest.param(name, marks=pytest.mark.reference_data) if name == "predictor" else name
    for name in OPTIONS
]


def small(name: str) -> list[str]:
    """Return the texts that `--set` needs to make an example small."""
    stages = read_document(FOLDER / f"{name}.yaml").entries
    texts = [
        f"{stage}.{option}"
        for stage, options in SMALLEST.items()
        if stage in stages
        for option in options
        # A stage of a number of updates has no epochs.
        if not (option.startswith("epochs") and "steps" in (stages[stage].value or ()))
    ]
    return [*texts, *OPTIONS[name]]


def commented_commands(path: Path) -> list[list[str]]:
    """Return the words of the `pathfit run` commands in a file's comments."""
    text = path.read_text().replace("\\\n#", "")
    lines = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
    return [shlex.split(line) for line in lines if line.startswith("pathfit run")]


@pytest.mark.parametrize("name", NAMES)
def test_commands_in_comments_have_no_faults(name: str, request: pytest.FixtureRequest) -> None:
    if name == "predictor":
        request.getfixturevalue("reference_data")
    path = FOLDER / f"{name}.yaml"
    commands = commented_commands(path)
    assert commands

    for command in commands:
        assert command[2] == f"examples/pipelines/{name}.yaml"
        assert command[3::2] == ["--set"] * len(command[4::2])
        # The reader's own images and texts are not at hand.
        assignments = [text for text in command[4::2] if not text.startswith("data=")]
        read_pipeline(path, assignments=assignments)


def test_every_file_is_tested() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(OPTIONS)


@pytest.mark.parametrize("name", NAMES)
def test_examples_have_no_faults(name: str, request: pytest.FixtureRequest) -> None:
    if name == "predictor":
        request.getfixturevalue("reference_data")
    pipeline = read_pipeline(FOLDER / f"{name}.yaml")
    assert pipeline.stages[-1].name == "measure"
    assert read_pipeline(FOLDER / f"{name}.yaml", assignments=small(name)).stages


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_examples_run_from_profile_to_measured_network(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if name == "predictor":
        request.getfixturevalue("reference_data")
    command = [*PATHFIT, "run", str(FOLDER / f"{name}.yaml"), "-o", str(tmp_path)]
    for text in small(name):
        command += ["--set", text]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=1800,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    measured = json.loads((tmp_path / "measure.json").read_text())["measured"]
    # The table's runtime measures the network, and onnxruntime the exported file.
    runtime = "onnxruntime" if name == "int8" else "torch"
    assert [entry["runtime"] for entry in measured] == [runtime, "onnxruntime"]
    latencies = [entry.get("decode", entry) for entry in measured]
    assert all(entry["latency_ms"] > 0 for entry in latencies)
