"""`python -m oneshot train`: its options, and what it records."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from oneshot.algorithms.training import augmentation_settings
from oneshot.commands import main
from oneshot.commands.options.recipe import recipe
from oneshot.commands.train import train
from oneshot.errors import InvalidOption
from oneshot.run_settings import AugmentationSettings
from oneshot.training.recipe import Recipe, supernet_recipe
from spaces import ChainSpace
from tables import LookupTable
from tables.lookup_table import BlockCost


def run(folder: Path, space: ChainSpace, *options: object) -> Result:
    given = [
        "train",
        "--space",
        space.name,
        "--threads",
        "1",
        "-o",
        str(folder),
        *map(str, options),
    ]
    return CliRunner().invoke(main, given, env={"COLUMNS": "300"})


def options(*given: str) -> dict[str, Any]:
    return train.make_context("train", ["-o", "x", *given]).params


def test_what_is_trained_is_recorded(small: ChainSpace, tmp_path: Path) -> None:
    chosen = (
        "--sampler",
        "uniform-flops",
        "--bins",
        3,
        "--cost-range",
        2e4,
        1e6,
        "--augment",
        "--steps",
        3,
    )
    more = (
        "--batch-size",
        40,
        "--accumulate",
        2,
        "--schedule",
        "cosine",
        "--warmup",
        1,
        "--clip",
        2,
        "--nesterov",
    )
    low, high = (bound for bound in (small.macs(code) for code in _extremes(small)))
    chosen = tuple({2e4: low, 1e6: high + 1}.get(value, value) for value in chosen)  # type: ignore[call-overload]
    done = run(tmp_path / "r", small, *chosen, *more, "--precision", "bf16", "--report-every", 1)
    assert done.exit_code == 0, done.stderr
    assert "update 3/3, loss " in done.stderr
    settings = json.loads((tmp_path / "r" / "run.json").read_text())
    assert settings["sampler"] == {
        "name": "uniform-flops",
        "bins": 3,
        "range": [low, high + 1],
        "table": None,
    }
    assert settings["augmentation"] == {"augment": True, "colour_jitter": 0.0}
    changed = {
        "steps": 3,
        "batch_size": 40,
        "schedule": "cosine",
        "warmup": 1,
        "clip": 2.0,
        "nesterov": True,
    }
    assert settings["recipe"] == {**Recipe().to_dict(), **changed}
    assert settings["execution"]["precision"] == "bf16"
    assert settings["execution"]["accumulate"] == 2
    written = {path.name for path in (tmp_path / "r").iterdir()}
    assert written == {"run.json", "last.ckpt", "weights.safetensors", "tensorboard"}


def _extremes(space: ChainSpace) -> list[Any]:
    from tables.cost.model import counting_model

    return [bound.architecture for bound in counting_model(space, "macs").bounds()]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ("--sampler", "uniform-latency"),
            "the sampler uniform-latency needs a table of latencies",
        ),
        (("--sampler", "fair", "--table", "x"), "the sampler fair takes no table"),
        (("--sampler", "uniform-flops", "--cost-range", "1", "2"), "has macs from 1 to "),
        (("--epochs", "2", "--steps", "3"), "give epochs or steps, not both"),
        (("--learning-rate", "0"), "learning_rate must be positive, not 0.0"),
        (("--momentum", "0", "--nesterov"), "nesterov needs a momentum above 0"),
        (
            ("--no-augment", "--colour-jitter", ".4"),
            "colour_jitter needs augmented images: add --augment",
        ),
        (("--data", "nowhere"), "unknown data set 'nowhere'"),
    ],
)
def test_bad_options_write_nothing(
    small: ChainSpace, tmp_path: Path, given: tuple[str, ...], said: str
) -> None:
    refused = run(tmp_path / "r", small, *given)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_options_change_the_published_recipe_one_by_one() -> None:
    published = supernet_recipe("spos", 1_281_167)
    assert recipe(options(), published) == published
    assert recipe(options("--learning-rate", ".25"), published).learning_rate == 0.25
    assert recipe(options("--learning-rate", ".25"), published).steps == 150_000
    epochs = recipe(options("--epochs", "120"), published)
    assert (epochs.steps, epochs.epochs, epochs.batch_size) == (None, 120, 1024)
    assert recipe(options()) == Recipe()


def test_few_images_are_not_augmented_unless_asked() -> None:
    settings = AugmentationSettings
    assert augmentation_settings("spos-tiny", 1000) == settings(False, 0.0)
    assert augmentation_settings("spos-tiny", 45_000) == settings(True, 0.0)
    assert augmentation_settings("spos", 1_281_167) == settings(True, 0.4)
    assert augmentation_settings("spos", 1_281_167, colour_jitter=0.0) == settings(True, 0.0)
    assert augmentation_settings("spos", 1_281_167, augment=False) == settings(False, 0.0)
    with pytest.raises(InvalidOption, match="colour_jitter needs augmented images"):
        augmentation_settings("spos", 1000, colour_jitter=0.4)


def test_a_constraint_without_a_margin_is_reported(small: ChainSpace, tmp_path: Path) -> None:
    blocks = {
        key: BlockCost(block.macs / 1e6, 0.001, 10, block.macs, block.params)
        for key, block in small.all_blocks.items()
    }
    table = LookupTable(
        name="imported",
        space=small.name,
        device={"kind": "cpu", "processor": "a phone"},
        conditions={"backend": "tflite", "batch": 1, "precision": "fp32", "threads": 1},
        versions={},
        created="2026-01-01T00:00:00+00:00",
        command="tests",
        seed=0,
        measurement=None,
        blocks=blocks,
        networks=(),
    )
    path = tmp_path / "imported.json"
    table.save(path)
    greatest = table.cost_model(small).bounds()[1].value

    constraint = ("--algorithm", "darts", "--constraint", f"latency_ms<={greatest}@{path}")
    done = run(tmp_path / "run", small, *constraint, "--epochs", 1, "--limit", 64)

    assert done.exit_code == 0, done.output
    assert "latency_ms@imported: no margin is kept" in done.stderr
