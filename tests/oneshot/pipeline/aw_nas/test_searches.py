"""Searches of aw_nas in benchmarks, by predictors and by proxies keep their numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import spaces
from oneshot.pipeline.aw_nas import convert
from oneshot.pipeline.aw_nas.configuration import InvalidConfiguration
from tests.oneshot.pipeline.aw_nas.configurations import arguments, build


def test_predictor_search_has_as_many_evaluations(examples: Path) -> None:
    converted = convert(examples / "nasbench" / "nasbench-201_gates_sa.yaml")
    search = arguments(build(converted.text), "search")
    options = dict(text.split("=", 1) for text in search["--option"])

    assert search["--guide"] == ["benchmark:nasbench201"]
    # Five rounds of 200, the first of which is random.
    assert options == {"initial": "200", "batch": "200", "rounds": "4", "predictor": "gates"}


def test_random_search_in_a_benchmark_has_as_many_evaluations(
    examples: Path, tmp_path: Path
) -> None:
    text = (examples / "nasbench" / "nasbench_201_evo.yaml").read_text()
    edited = tmp_path / "random.yaml"
    edited.write_text(
        text.replace("nasbench-201-evo", "nasbench-201-rs").replace(
            "population_nums: 10", "deiso: true"
        )
    )

    search = arguments(build(convert(edited).text), "search")

    assert search["--strategy"] == ["random"]
    # 200 epochs of ten steps, each with five samples.
    assert search["--option"] == ["evaluations=10000"]


@pytest.mark.parametrize(
    ("file", "strategy", "expected"),
    [
        # 4000 epochs of 100 steps, each with one child.
        (
            "nasbench-101_evo.yaml",
            "aging",
            {"evaluations": "400000", "population": "100", "tournament": "10", "batch": "1"},
        ),
        # 200 epochs of ten steps, in which the five best of ten have a child each.
        (
            "nasbench_201_evo.yaml",
            "aging",
            {"evaluations": "10000", "population": "10", "tournament": "10", "batch": "5"},
        ),
        # Accuracies are fractions there, so that the temperatures are 1000 and 100.
        (
            "nasbench-101_sa.yaml",
            "annealing",
            {"evaluations": "2000", "temperature": "100000", "cooling": "0.95"},
        ),
        (
            "nasbench_201_sa.yaml",
            "annealing",
            {"evaluations": "2000", "temperature": "10000", "cooling": "0.99"},
        ),
    ],
)
def test_evolution_and_annealing_in_a_benchmark_keep_their_numbers(
    examples: Path, file: str, strategy: str, expected: dict[str, str]
) -> None:
    search = arguments(build(convert(examples / "nasbench" / file).text), "search")

    assert search["--strategy"] == [strategy]
    assert dict(text.split("=", 1) for text in search["--option"]) == expected


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("nasbench_201_sa", "controller_samples: 1", "controller_samples: 4", "one neighbour"),
        ("nasbench-101_evo", "mutation_prob: 1.0", "mutation_prob: 0.5", "differs in one choice"),
        ("nasbench_201_evo", "population_nums: 10", "elite: 3", "controller_cfg.elite: 3"),
    ],
)
def test_steps_that_a_strategy_does_not_take_are_named(
    examples: Path, tmp_path: Path, file: str, old: str, new: str, named: str
) -> None:
    text = (examples / "nasbench" / f"{file}.yaml").read_text()
    assert old in text
    edited = tmp_path / "edited.yaml"
    edited.write_text(text.replace(old, new))

    with pytest.raises(InvalidConfiguration, match=re.escape(named)):
        convert(edited)


@pytest.mark.parametrize("file", ["oneshot_cfg.yaml", "zeroshot_cfg.yaml"])
def test_file_of_architectures_is_sampled_only_without_repeats(
    examples: Path, tmp_path: Path, file: str
) -> None:
    path = examples / "research" / "surgery" / "nb101" / file
    converted = convert(path)
    # Each of these stages names the space.
    stage = "train" if file.startswith("oneshot") else "proxies"
    space = arguments(build(converted.text), stage)["--space"][0]

    assert spaces.get(space) is spaces.get("nasbench1shot1(subspace=3, stem_channels=16)")
    assert "controller_cfg.archs_path" in [note.key for note in converted.notes]

    edited = tmp_path / file
    edited.write_text(path.read_text().replace("archs_path:", "avoid_repeat: true\n  archs_path:"))
    with pytest.raises(InvalidConfiguration, match=r"give `evaluate: \{archs: FILE\}`"):
        convert(edited)


def test_zero_shot_is_the_stage_of_proxies(examples: Path, tmp_path: Path) -> None:
    path = examples / "research" / "surgery" / "nds" / "resnet_zeroshot.yaml"
    converted = convert(path)
    proxies = arguments(build(converted.text), "proxies")

    assert proxies["--space"] == ["nds-resnet"]
    assert proxies["-n"] == ["10"]
    assert proxies["--images"] == ["128"]
    names = ["naswot", "grad_norm", "grasp", "jacob_cov", "plain", "relu_count", "synflow"]
    assert proxies["--proxy"] == names
    left_out = ["weights_manager_cfg", "evaluator_cfg", "trainer_cfg"]
    assert [note.key for note in converted.notes] == left_out

    edited = tmp_path / "own.yaml"
    edited.write_text(path.read_text().replace('"relu_logdet"', '"own"'))
    with pytest.raises(InvalidConfiguration, match=r"objective_cfg\.perf_names: .*there are grad_"):
        convert(edited)
