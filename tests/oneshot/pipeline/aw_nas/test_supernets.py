"""Trainings of supernets in aw_nas keep their numbers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import spaces
from oneshot.pipeline.aw_nas import convert
from oneshot.pipeline.aw_nas.configuration import InvalidConfiguration
from tests.oneshot.pipeline.aw_nas.configurations import SMALL, arguments, build, small


def test_darts_keeps_every_number_of_the_search(examples: Path) -> None:
    converted = convert(examples / "mloss" / "darts" / "darts_search.yaml")
    train = arguments(build(converted.text), "train")

    assert train["--space"] == ["darts"]
    assert train["--algorithm"] == ["darts"]
    assert train["--epochs"] == ["50"]
    assert train["--batch-size"] == ["64"]
    assert float(train["--learning-rate"][0]) == 0.025
    assert float(train["--weight-decay"][0]) == 3e-4
    assert train["--validation"] == ["25000"]
    assert float(train["--clip"][0]) == 5
    options = dict(text.split("=", 1) for text in train["--option"])
    assert float(options["arch_learning_rate"]) == 3e-4
    assert options["arch_betas"] == "[0.5, 0.999]"
    assert float(options["arch_weight_decay"]) == 1e-3
    assert options["arch_every"] == "1"
    assert float(options["least_learning_rate"]) == 1e-4
    assert [note.key for note in converted.notes] == [
        "weights_manager_cfg.dropout_rate",
        "controller_cfg.entropy_coeff",
    ]


def test_pc_darts_keeps_its_share_of_channels_and_its_warmup(examples: Path) -> None:
    converted = convert(examples / "mloss" / "pcdarts" / "pcdarts_search.yaml")
    train = arguments(build(converted.text), "train")
    options = dict(text.split("=", 1) for text in train["--option"])

    assert train["--algorithm"] == ["pc-darts"]
    assert options["channel_divisor"] == "4"
    assert options["edge_normalisation"] == "true"
    # Epochs are counted from 1 there: the logits are trained from the sixteenth on.
    assert options["arch_warmup"] == "15"
    assert float(options["arch_learning_rate"]) == 6e-4


def test_other_cells_are_parameters_of_the_space(examples: Path, tmp_path: Path) -> None:
    converted = convert(examples / "mloss" / "enas" / "enas_search.yaml")
    train = arguments(build(converted.text), "train")
    space = spaces.get(train["--space"][0])
    # Five nodes with two operations each, out of five, in two cells.
    assert sum("_op_" in choice.key for choice in space.choices) == 20
    assert {len(choice.candidates) for choice in space.choices if "_op_" in choice.key} == {5}

    wide = convert(small(tmp_path, "num_layers: 8", "num_layers: 6, num_steps: 3"))
    pipeline = arguments(build(wide.text), "train")
    searched = spaces.get(pipeline["--space"][0])
    assert searched.family == "darts-search"
    assert searched.network_space == spaces.get("darts(steps=3)")


def test_enas_trains_its_controller_as_often_as_aw_nas(examples: Path) -> None:
    converted = convert(examples / "basic" / "enas.yaml")
    train = arguments(build(converted.text), "train")
    options = dict(text.split("=", 1) for text in train["--option"])

    assert spaces.get(train["--space"][0]) == spaces.get(
        "darts(channels=20, layers=8, repeated_inputs=True)"
    )
    # A fifth of the images in batches of 128.
    assert options["controller_steps"] == "79"
    assert float(options["tanh_constant"]) == pytest.approx(1.1 / 2.5)
    assert float(options["keep"]) == pytest.approx(0.9)
    assert train["--validation"] == ["10000"]


SEVEN = (
    "('avg_pool_3x3', 'dil_conv_3x3', 'dil_conv_5x5', 'max_pool_3x3', 'sep_conv_3x3',"
    " 'sep_conv_5x5', 'skip_connect')"
)


@pytest.mark.parametrize(
    ("file", "space", "epochs"),
    [
        (
            "research/surgery/nb301/config.yaml",
            f"darts(channels=16, layers=8, primitives={SEVEN})",
            1500,
        ),
        ("research/surgery/nb201/deiso_plateaulr.yaml", "nasbench201(cells=5)", 1400),
        ("research/surgery/nds/resnet_ordinal_search.yaml", "nds-resnet", 1400),
        ("research/surgery/nds/resnexta_ordinal_search.yaml", "nds-resnext", 1400),
    ],
)
def test_random_paths_train_the_supernet_of_the_space(
    examples: Path, file: str, space: str, epochs: int
) -> None:
    converted = convert(examples / file)
    train = arguments(build(converted.text), "train")

    choices = {choice.key: set(choice.candidates) for choice in spaces.get(space).choices}
    found = spaces.get(train["--space"][0])
    assert {choice.key: set(choice.candidates) for choice in found.choices} == choices
    architecture = found.decode(found.sample(np.random.default_rng(0), 1))[0]
    same = spaces.get(space).architecture(architecture.choices)
    assert found.macs([architecture]) == spaces.get(space).macs([same])

    assert train["--algorithm"] == ["spos"]
    assert train["--epochs"] == [str(epochs)]
    assert train["--validation"] == ["10000"]
    assert float(train["--learning-rate"][0]) == 0.05
    # The rate of aw_nas waits for a plateau, which the pipeline says.
    assert train["--schedule"] == ["cosine"]
    assert "evaluator_cfg.mepa_scheduler.type" in [note.key for note in converted.notes]


def test_one_shot_sub_spaces_of_nasbench101_have_the_stem_of_the_file(
    examples: Path, tmp_path: Path
) -> None:
    file = examples / "nasbench" / "nasbench-101_1shot.yaml"
    with pytest.raises(InvalidConfiguration, match="strict_load_weigts_manager"):
        convert(file)

    # Two keys are misspelt there.
    lines = file.read_text().splitlines(keepends=True)
    corrected = tmp_path / "corrected.yaml"
    corrected.write_text(
        "".join(line for line in lines if "weigts" not in line and "scheduler_every" not in line)
    )
    converted = convert(corrected)

    train = arguments(build(converted.text), "train")
    assert spaces.get(train["--space"][0]) is spaces.get("nasbench1shot1(stem_channels=16)")
    assert "search_space_type" in [note.key for note in converted.notes]


def test_elastic_space_has_the_strides_of_the_file(examples: Path) -> None:
    converted = convert(examples / "ofa" / "cifar100_mbv3_search.yaml")
    train = arguments(build(converted.text), "train")
    space = spaces.get(train["--space"][0])

    # Only the second and fourth of five stages halve the image here, and none does so in the stem.
    sides = [block.output[1] for block in space.all_blocks.values() if len(block.output) == 3]
    assert max(sides) == 32
    assert sorted({side for side in sides if side > 1}) == [8, 16, 32]


def test_space_of_the_user_replaces_blocks_of_a_plugin(examples: Path, tmp_path: Path) -> None:
    path = examples / "plugins" / "fbnet" / "sample_fbnet_diff.yaml"
    with pytest.raises(InvalidConfiguration, match=r"search_space_cfg\.shared_primitives"):
        convert(path)

    # Its schedule with restarts is one of the plug-in as well.
    text = re.sub(
        r"type: CosineDecayLR\n(    .*\n)+", "type: CosineAnnealingLR\n", path.read_text()
    )
    edited = tmp_path / "fbnet.yaml"
    edited.write_text(text.replace("mepa_scheduler:\n", "mepa_scheduler:\n    T_max: 90\n", 1))
    pipeline = build(convert(edited, space="proxylessnas-tiny").text)
    train = arguments(pipeline, "train")
    options = dict(text.split("=", 1) for text in train["--option"])
    assert train["--algorithm"] == ["fbnet"]
    assert options["arch_warmup"] == "9"
    # 80% of the images train the weights, 20% the logits.
    assert options["arch_every"] == "4"
    assert float(options["annealing"]) == 0.956


def test_random_paths_of_cells_share_the_weights_of_the_space(tmp_path: Path) -> None:
    text = SMALL.format(extra="").replace("differentiable", "random_sample")
    path = tmp_path / "random.yaml"
    path.write_text(text.replace("diff_supernet", "supernet").replace("{use_prob: true}", "{}"))

    train = arguments(build(convert(path).text), "train")

    assert train["--algorithm"] == ["spos"]
    assert spaces.get(train["--space"][0]) == spaces.get(
        "darts(channels=16, layers=8, repeated_inputs=True)"
    )
    # The rate falls to 0, not to the file's.
    assert [note.key for note in convert(path).notes] == ["evaluator_cfg.mepa_scheduler.eta_min"]
