"""From a document to command lines, and all faults of a document at once."""

from pathlib import Path

import pytest

from oneshot.pipeline.building import build_pipeline
from oneshot.pipeline.document import parse_document
from oneshot.pipeline.faults import InvalidPipeline
from oneshot.pipeline.kinds import GENERAL_KEYS, STAGES
from oneshot.pipeline.options import StageOptions, flag, key_of
from oneshot.pipeline.pipeline import Pipeline
from oneshot.tasks import Classification
from oneshot.tasks.registry import TASKS, register_task

WHOLE = """
space: spos-tiny
data: digits
seed: 3
profile:  {device: cpu, threads: 1, budget: 20s}
train:    {algorithm: spos, epochs: 60}
evaluate: {n: 240}
predict:  {encoder: gp}
search:   {strategy: pareto, constraint: "latency_ms<=2@profile", count: 3}
retrain:  {epochs: 30}
export:   {}
measure:  {rounds: 30}
"""


def build(text: str) -> Pipeline:
    return build_pipeline(parse_document(text, Path("pipeline.yaml")), Path("out"))


def faults(text: str) -> list[str]:
    with pytest.raises(InvalidPipeline) as caught:
        build(text)
    return [f"{fault.line} {fault.key}" for fault in caught.value.faults]


def messages(text: str) -> str:
    with pytest.raises(InvalidPipeline) as caught:
        build(text)
    return str(caught.value)


def commands(text: str) -> dict[str, str]:
    return {stage.name: " ".join(stage.arguments) for stage in build(text).stages}


def test_proxies_vote_unless_evaluations_are_labels() -> None:
    proxies = "space: spos-tiny\ndata: digits\nproxies: {n: 96, proxy: [meco, naswot]}\n"
    alone = commands(proxies + "predict: {}\nsearch: {}\n")
    evaluated = commands(proxies + "train: {}\nevaluate: {}\npredict: {columns: '@proxies'}\n")
    voting = commands(proxies + "train: {}\nevaluate: {}\npredict: {}\n")
    labelled = commands(proxies + "train: {}\nevaluate: {}\npredict: {metric: top1}\n")

    assert alone["proxies"] == (
        "oneshot proxies --space spos-tiny --data digits -n 96 --proxy meco --proxy naswot"
        " -o out/proxies.jsonl"
    )
    assert alone["predict"].startswith(
        "predictor train --columns out/proxies.jsonl --space spos-tiny"
    )
    assert "--guide predictor:out/predict.safetensors" in alone["search"]
    # With labels the proxies are weighed, where the pipeline asks for it.
    assert evaluated["predict"].startswith(
        "predictor train --data out/evaluate.jsonl --columns out/proxies.jsonl"
    )
    # A supernet's evaluations vote too, unless the pipeline makes them labels.
    assert voting["predict"].startswith(
        "predictor train --columns out/proxies.jsonl --columns out/evaluate.jsonl"
    )
    assert "--data" not in voting["predict"]
    assert labelled["predict"].startswith("predictor train --data out/evaluate.jsonl")
    assert "--columns" not in labelled["predict"]


def test_stages_are_joined_by_the_files_of_the_folder() -> None:
    assert commands(WHOLE) == {
        "profile": "profiler build --device cpu --space spos-tiny --threads 1 --budget 20s --seed 3"
        " -o out/profile.json",
        "train": "oneshot train --space spos-tiny --algorithm spos --data digits --epochs 60"
        " --seed 3 --resume -o out/train",
        "evaluate": "oneshot evaluate out/train -n 240 --seed 3 -o out/evaluate.jsonl",
        "predict": "predictor train --data out/evaluate.jsonl --space spos-tiny --encoder gp"
        " --seed 3 --report out/predict.json -o out/predict.safetensors",
        "search": "oneshot search --space spos-tiny --guide predictor:out/predict.safetensors"
        " --constraint latency_ms<=2@out/profile.json --strategy pareto --count 3 --seed 3"
        " --resume -o out/search.json",
        "retrain": "oneshot retrain --arch out/search.json --data digits --epochs 30 --seed 3"
        " --resume -o out/retrain",
        "export": "oneshot export out/retrain -o out/export.onnx",
        "measure": "profiler measure out/search.json out/export.onnx --table out/profile.json"
        " --rounds 30 --seed 3 -o out/measure.json",
    }


def test_stages_need_those_whose_files_they_read() -> None:
    pipeline = build(WHOLE)
    assert {stage.name: set(stage.needs) for stage in pipeline.stages} == {
        "profile": set(),
        "train": set(),
        "evaluate": {"train"},
        "predict": {"evaluate"},
        "search": {"profile", "predict"},
        "retrain": {"search"},
        "export": {"retrain"},
        "measure": {"profile", "search", "export"},
    }
    assert pipeline.dependents({"search"}) == {"search", "retrain", "export", "measure"}


def test_the_order_of_keys_does_not_change_commands() -> None:
    lines = [line for line in WHOLE.splitlines() if line]
    assert commands("\n".join(reversed(lines))) == commands(WHOLE)


def test_every_option_of_every_command_is_a_key_by_each_of_its_names() -> None:
    for kind in STAGES.values():
        options = StageOptions(kind)
        for option in options.all():
            assert options.find(key_of(option)) is option
            for name in option.opts:
                if name.startswith("--"):
                    assert options.find(name[2:].replace("-", "_")) is option


def test_values_become_arguments_of_their_options() -> None:
    text = """
    space: spos-tiny
    train:
      augment: false
      tensorboard: yes
      sync-batch-norm: off
      cost_range: [1, 2]
      sampler: uniform-flops
    search:
      guide: supernet
      constraint: [flops<=30e6, params<=1e6]
      option: {generations: 3, population: 10}
    """
    train = commands(text)["train"]
    assert "--no-augment" in train
    assert "--tensorboard" in train
    assert "sync" not in train
    assert "--cost-range 1 2" in train
    search = commands(text)["search"]
    assert "--guide supernet:out/train" in search
    assert "--constraint flops<=30e6 --constraint params<=1e6" in search
    assert "--option generations=3 --option population=10" in search


def test_without_a_predictor_the_supernet_guides() -> None:
    assert "--guide supernet:out/train" in commands("space: spos-tiny\ntrain:\nsearch:\n")["search"]


def test_finalists_are_scored_by_the_supernet_of_the_pipeline() -> None:
    text = "space: spos-tiny\ntrain:\nevaluate:\npredict:\n"
    search = commands(f"{text}search: {{finalists: 8, final-guide: supernet}}\n")["search"]
    assert "--guide predictor:out/predict.safetensors" in search
    assert "--finalists 8 --final-guide supernet:out/train" in search


def test_an_algorithm_that_decides_an_architecture_needs_no_search() -> None:
    text = "space: darts-tiny\ntrain: {algorithm: darts}\nretrain: {}\nmeasure: {}\n"
    built = commands(text.replace("darts-tiny", "nasbench201"))
    assert "--arch out/train/architecture.json" in built["retrain"]
    assert built["measure"].startswith("profiler measure out/train/architecture.json")


def test_a_path_replaces_a_stage(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    pipeline = build(
        f"space: spos\nprofile: amd-epyc-spos-b1-fp32-t2\ntrain: {tmp_path}/run\n"
        "search: {guide: supernet, constraint: 'latency_ms<=99@profile'}\n"
    )
    (search,) = pipeline.stages
    assert f"supernet:{tmp_path}/run" in search.arguments
    assert "latency_ms<=99@amd-epyc-spos-b1-fp32-t2" in search.arguments
    assert dict(pipeline.replaced) == {
        "profile": "amd-epyc-spos-b1-fp32-t2",
        "train": f"{tmp_path}/run",
    }


def test_outputs_are_within_the_folder() -> None:
    text = "space: spos-tiny\ntrain: {output: nets/a}\nsearch: {plot: search.png}\n"
    pipeline = build(text)
    assert pipeline.stage("train").output == Path("out/nets/a")
    assert Path("out/search.png") in pipeline.stage("search").outputs
    for name in ("/tmp/a", "../a", "''"):
        assert faults(f"space: spos-tiny\ntrain: {{output: {name}}}\n") == ["2 train.output"]


def test_general_keys_do_not_replace_options_of_another_meaning() -> None:
    built = commands(WHOLE)
    assert "--data digits" not in built["predict"]
    assert "--space" not in built["retrain"]
    # The pipeline of this test has no proxies.
    assert commands(WHOLE + "\n").keys() == STAGES.keys() - {"proxies"}


def test_a_key_of_the_stage_precedes_the_general_one() -> None:
    built = commands("space: spos-tiny\nseed: 1\ntrain: {seed: 2}\nsearch: {guide: supernet}\n")
    assert "--seed 2" in built["train"]
    assert "--seed 1" in built["search"]


def test_plugins_go_to_every_stage(tmp_path: Path) -> None:
    plugin = tmp_path / "registers_nothing.py"
    plugin.write_text("")
    built = commands(f"space: spos-tiny\nplugins: [{plugin}]\ntrain: {{}}\nsearch: {{}}\n")
    assert built["train"].startswith(f"oneshot --plugin {plugin} train")
    assert built["search"].startswith(f"oneshot --plugin {plugin} search")


def test_all_faults_are_reported_at_once() -> None:
    text = """space: spos-tiny
data: digist
train: {algoritm: spos, epochs: many}
search: {constraint: [latency_ms<=8@profile, "flops<=3"], options: 3, strategy: evolutoin}
retrain: {arch: nothing, augment: perhaps}
export: [a]
mesure: {}
train: {}
profile: {budget: long, batch: "1,8"}
"""
    assert faults(text) == [
        "2 data",
        "3 train.algoritm",
        "3 train.epochs",
        "4 search.options",
        "4 search.strategy",
        "4 search.constraint",
        "5 retrain.augment",
        "5 retrain.arch",
        "6 export",
        "7 mesure",
        "8 train",
        "9 profile.budget",
        "9 profile.batch",
    ]
    for guess in ("'digits'", "'algorithm'", "'option'", "'evolution'", "'measure'"):
        assert f"did you mean {guess}" in messages(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("space: spos-tiny\nevaluate: {}\n", "evaluate"),
        ("space: spos-tiny\npredict: {}\n", "predict"),
        ("space: spos-tiny\nsearch: {}\n", "search"),
        ("space: spos-tiny\ntrain: {}\nretrain: {}\n", "retrain"),
        ("export: {}\n", "export"),
        ("measure: {}\n", "measure"),
        ("space: spos-tiny\ntrain: {target: latency_ms@profile}\n", "train.target"),
        ("space: spos-tiny\ntrain: {target: latency_ms@search}\nsearch: {}\n", "train.target"),
        ("train: {}\nsearch: {}\n", "search"),
        ("space: spos-tiny\n", ""),
        ("seed: 1\nspace: spos-tiny\ntrain: {}\nexport: {}\nunder: x\n", "export"),
        ("train: nowhere\n", "train"),
        ("space: spos\nprofile: no-such-table\nsearch: {guide: 'predictor:x'}\n", "profile"),
    ],
)
def test_what_a_stage_lacks_is_a_fault(text: str, key: str) -> None:
    assert key in [fault.split(" ", 1)[1] for fault in faults(text)]


@pytest.mark.parametrize(
    "constraint",
    [
        # Less than the smallest network.
        "flops<=3",
        # A table of other blocks.
        "latency_ms<=8@amd-epyc-spos-b1-fp32-t2",
        "latency_ms<=8",
        "speed<=3",
    ],
)
def test_limits_are_checked_before_any_work(constraint: str) -> None:
    text = f"space: spos-tiny\ntrain: {{}}\nsearch: {{constraint: '{constraint}'}}\n"
    assert faults(text) == ["3 search.constraint"]


def test_a_task_whose_head_the_space_lacks_is_refused() -> None:
    text = "space: spos-tiny\ntask: masking\ntrain: {}\nsearch: {}\nretrain: {arch: darts-v2}\n"
    with TASKS.preserved():

        @register_task("masking")
        class Masking(Classification):
            head = "mask"

        assert "needs networks with the head 'mask'; those of spos-tiny have 'classes'" in (
            messages(text)
        )
    assert "did you mean 'classification'" in messages(text.replace("masking", "clasification"))
    built = commands(text.replace("masking", "classification"))
    assert "--task classification" in built["train"]
    assert "--task classification" in built["retrain"]


def test_general_keys_are_the_options_that_the_commands_have() -> None:
    for kind in STAGES.values():
        for key, option in StageOptions(kind).general().items():
            assert key in GENERAL_KEYS
            assert f"--{key}" in option.opts, (kind.name, flag(option))


def test_verified_networks_are_measured_as_the_profile_was() -> None:
    verified = WHOLE.replace("count: 3}", "verify: 5}")
    assert "--verify 5 --table out/profile.json" in commands(verified)["search"]
    other = WHOLE.replace("count: 3}", "verify: 5, table: amd-epyc-spos-tiny}")
    assert "--table amd-epyc-spos-tiny" in commands(other)["search"]
    assert "--table" not in commands(WHOLE)["search"]
