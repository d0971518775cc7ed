"""Configurations of aw_nas that no pipeline can follow are refused by their keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from oneshot.pipeline.aw_nas import convert
from oneshot.pipeline.aw_nas.configuration import InvalidConfiguration, read_configuration
from oneshot.pipeline.faults import InvalidPipeline
from tests.oneshot.pipeline.aw_nas.configurations import SMALL, small


def test_small_configuration_is_converted_without_notes(tmp_path: Path) -> None:
    assert convert(small(tmp_path)).notes == ()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("num_layers: 8", "num_node_inputs: 3", "line 2: search_space_cfg.num_node_inputs: 3"),
        ("num_layers: 8", "shared_primitives: [block_0]", "search_space_cfg.shared_primitives"),
        ("T_max: 50", "T_max: 60", "line 10: evaluator_cfg.mepa_scheduler.T_max: 60"),
        ("type: SGD", "type: Adam", "line 9: evaluator_cfg.mepa_optimizer.type: Adam"),
        ("[0.0, 0.5, 0.5]", "[0.2, 0.4, 0.4]", "line 11: evaluator_cfg.data_portion"),
        ("num_classes: 10", "num_classes: 11", "line 13: weights_manager_cfg.num_classes: 11"),
        ("cifar10\n", "svhn-extra\n", "line 3: dataset_type: svhn-extra"),
        ("  epochs: 50\n", "", "trainer_cfg.epochs: is missing"),
    ],
)
def test_what_a_pipeline_cannot_have_is_named(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=re.escape(named)):
        convert(small(tmp_path, old, new))


def test_curriculum_of_shared_weights_is_refused(examples: Path) -> None:
    path = examples / "research" / "close" / "nb301" / "node_cl-24_lr-4_mlp-200x3_wit.yaml"
    with pytest.raises(InvalidConfiguration) as caught:
        convert(path)
    # The keys of the component itself say nothing further.
    assert [fault.key for fault in caught.value.faults] == ["weights_manager_type"]


def test_trainings_of_experts_name_their_columns(examples: Path) -> None:
    path = examples / "research" / "dele" / "cfgs" / "dynamic_ensemble_nb201_gates_config.yaml"
    with pytest.raises(InvalidConfiguration, match="--encoder dele --columns FILE --data"):
        convert(path)


@pytest.mark.parametrize(("first", "second"), [("null", "{depth: 3}"), ("3", "4"), ("3", "null")])
def test_key_with_two_values_is_refused(tmp_path: Path, first: str, second: str) -> None:
    extra = f"trainer_type: {first}\ntrainer_type: {second}"
    text = SMALL.format(extra=extra).replace("trainer_type: simple\n", "", 1)
    path = tmp_path / "twice.yaml"
    path.write_text(text)
    with pytest.raises(InvalidPipeline, match="trainer_type: set twice; the first time in line 19"):
        convert(path)


@pytest.mark.parametrize("first", ["null", "simple"])
def test_key_may_occur_again_with_its_value(tmp_path: Path, first: str) -> None:
    repeated = f"trainer_type: {first}\ntrainer_type: simple"
    assert convert(small(tmp_path, "trainer_type: simple", repeated)).notes == ()


def test_unknown_keys_are_never_passed_over(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"line 20: surprise\.depth: 3"):
        convert(small(tmp_path, extra="surprise: {depth: 3}"))


def test_tags_create_no_objects(tmp_path: Path) -> None:
    with pytest.raises(InvalidPipeline, match="python/object/apply"):
        convert(small(tmp_path, extra="blocks: !!python/object/apply:os.system [exit 3]"))


def test_list_of_genotypes_is_told_from_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "genotypes.yaml"
    path.write_text("- CNNGenotype(normal_0=[])\n")
    with pytest.raises(InvalidPipeline, match="spaces convert --from aw-nas"):
        read_configuration(path)
