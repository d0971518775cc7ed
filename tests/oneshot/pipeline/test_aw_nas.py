"""Configurations of aw_nas: each example is a pipeline without faults, or refused by its keys."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import spaces
from oneshot.pipeline.aw_nas import convert
from oneshot.pipeline.aw_nas.configuration import InvalidConfiguration, read_configuration
from oneshot.pipeline.building import build_pipeline
from oneshot.pipeline.document import parse_document
from oneshot.pipeline.faults import InvalidPipeline
from oneshot.pipeline.pipeline import Pipeline
from service.pathfit import main
from spaces.formats.files import read_architecture

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "from-aw_nas.md"

CONVERTED = re.compile(r"^\| `(?P<file>[^`]+\.yaml)` \| (?P<result>.+?) \|$", re.MULTILINE)


@pytest.fixture(scope="session")
def examples(reference_data: Path) -> Path:
    """The folder of aw_nas's example configurations."""
    folder = reference_data / "aw_nas" / "examples"
    if not folder.is_dir():
        pytest.skip(f"no configurations of aw_nas at {folder}")
    return folder


def build(text: str) -> Pipeline:
    return build_pipeline(parse_document(text, Path("converted.yaml")), Path("out"))


def arguments(pipeline: Pipeline, stage: str) -> dict[str, list[str]]:
    """Return the arguments of a stage by option."""
    values: dict[str, list[str]] = {}
    texts = pipeline.stage(stage).arguments
    for name, value in itertools.pairwise(texts):
        if name.startswith("-"):
            values.setdefault(name, []).append(value)
    return values


def run(*texts: str) -> Result:
    return CliRunner().invoke(main, ["pipeline", "convert", *texts])


def test_every_example_is_converted_or_refused_as_the_page_says(
    examples: Path, tmp_path: Path
) -> None:
    results = {match["file"]: match["result"] for match in CONVERTED.finditer(PAGE.read_text())}
    files = sorted(path.relative_to(examples).as_posix() for path in examples.rglob("*.yaml"))
    assert sorted(results) == files

    for file in files:
        output = tmp_path / "converted.yaml"
        result = run(str(examples / file), "-o", str(output))
        if results[file].startswith("converted"):
            assert result.exit_code == 0, (file, result.output)
            checked = CliRunner().invoke(main, ["pipeline", "check", str(output)])
            assert checked.exit_code == 0, (file, checked.output)
            output.unlink()
        else:
            assert result.exit_code == 2, (file, result.output)
            assert not output.exists()
            # The page names the first key at fault, unless the file is a list.
            key = results[file].split("`")[1]
            assert key in result.output, (file, result.output)


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


def test_predictor_search_has_as_many_evaluations(examples: Path) -> None:
    converted = convert(examples / "nasbench" / "nasbench-201_gates_sa.yaml")
    search = arguments(build(converted.text), "search")
    options = dict(text.split("=", 1) for text in search["--option"])

    assert search["--guide"] == ["benchmark:nasbench201"]
    # Five rounds of 200, the first of which is random.
    assert options == {"initial": "200", "batch": "200", "rounds": "4", "predictor": "gates"}


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


def test_elastic_space_has_the_strides_of_the_file(examples: Path) -> None:
    converted = convert(examples / "ofa" / "cifar100_mbv3_search.yaml")
    train = arguments(build(converted.text), "train")
    space = spaces.get(train["--space"][0])

    # Only the second and fourth of five stages halve the image here, and none does so in the stem.
    sides = [block.output[1] for block in space.all_blocks.values() if len(block.output) == 3]
    assert max(sides) == 32
    assert sorted({side for side in sides if side > 1}) == [8, 16, 32]


def test_final_training_writes_the_architecture(examples: Path, tmp_path: Path) -> None:
    output = tmp_path / "final.yaml"
    result = run(str(examples / "mloss" / "darts" / "darts_final.yaml"), "-o", str(output))
    assert result.exit_code == 0, result.output

    retrain = arguments(build(output.read_text()), "retrain")
    assert retrain["--arch"] == [str(tmp_path / "final.genotype")]
    architecture = read_architecture(retrain["--arch"][0], spaces.get(retrain["--space"][0]))
    assert architecture.choices["normal_0_op_0"] == "sep_conv_3x3"
    assert float(retrain["--auxiliary"][0]) == 0.4
    assert float(retrain["--drop-path"][0]) == 0.2
    assert retrain["--cutout"] == ["16"]


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


SMALL = """\
search_space_type: cnn
search_space_cfg: {{num_layers: 8}}
dataset_type: cifar10
controller_type: differentiable
controller_cfg: {{use_prob: true}}
evaluator_type: mepa
evaluator_cfg:
  batch_size: 64
  mepa_optimizer: {{lr: 0.025, momentum: 0.9, type: SGD, weight_decay: 3.e-4}}
  mepa_scheduler: {{type: CosineAnnealingLR, T_max: 50, eta_min: 0.0001}}
  data_portion: [0.0, 0.5, 0.5]
weights_manager_type: diff_supernet
weights_manager_cfg: {{init_channels: 16, num_classes: 10}}
objective_type: classification
trainer_type: simple
trainer_cfg:
  epochs: 50
  controller_optimizer: {{type: Adam, lr: 3.e-4}}
  interleave_controller_every: 1
{extra}
"""


def small(folder: Path, old: str = "", new: str = "", extra: str = "") -> Path:
    path = folder / "small.yaml"
    path.write_text(SMALL.format(extra=extra).replace(old, new))
    return path


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


def test_refused_file_writes_nothing(tmp_path: Path) -> None:
    output = tmp_path / "pipeline.yaml"
    result = run(str(small(tmp_path, "cifar10\n", "coco\n")), "-o", str(output))
    assert result.exit_code == 2
    assert "--data coco:FOLDER" in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.yaml"]
