"""Sample files: they have no faults, name every option, and their defaults are accepted."""

import re
from pathlib import Path

import pytest

from oneshot.pipeline.building import build_pipeline
from oneshot.pipeline.document import parse_document
from oneshot.pipeline.faults import InvalidPipeline
from oneshot.pipeline.kinds import STAGES
from oneshot.pipeline.options import StageOptions, key_of
from oneshot.pipeline.pipeline import Pipeline
from oneshot.pipeline.sample import sample_text
from spaces.errors import UnknownName


def build(text: str) -> Pipeline:
    return build_pipeline(parse_document(text, Path("sample.yaml")), Path("out"))


@pytest.mark.parametrize("algorithm", ["spos"])
def test_a_supernet_is_searched_in_all_stages(algorithm: str) -> None:
    pipeline = build(sample_text("spos-tiny", algorithm))
    assert [stage.name for stage in pipeline.stages] == list(STAGES)
    predict = " ".join(pipeline.stage("predict").arguments)
    assert "--columns out/proxies.jsonl --columns out/evaluate.jsonl" in predict


def test_proxies_are_a_comment_for_other_tasks() -> None:
    assert "\n# proxies:\n" in sample_text(
        "ofa-mobilenetv3(input_size=160, head=ssdlite)", "spos", "detection"
    )


@pytest.mark.parametrize("algorithm", ["darts", "enas", "fbnet"])
def test_an_algorithm_that_decides_an_architecture_is_not_searched(algorithm: str) -> None:
    pipeline = build(sample_text("nasbench201", algorithm))
    names = [stage.name for stage in pipeline.stages]
    assert names == ["profile", "train", "retrain", "export", "measure"]
    assert "out/train/architecture.json" in pipeline.stage("retrain").arguments


def test_every_option_of_every_stage_is_named() -> None:
    text = sample_text("proxylessnas-tiny", "proxyless")
    for kind in STAGES.values():
        options = StageOptions(kind)
        for option in options.all():
            key = key_of(option)
            if key not in ("resume", "output", "option"):
                assert re.search(rf"^[ #]*{re.escape(key)}:", text, re.MULTILINE), (kind.name, key)


def test_commented_defaults_are_accepted() -> None:
    """Setting every option to the default that its comment has gives a pipeline without faults."""
    lines = sample_text("spos-tiny", "spos").splitlines()
    # Options without a default have the kind of their values in angle brackets.
    text = "\n".join(
        re.sub(r"^(  )# ([a-z][a-z-]*: [^<]*|  [a-z]\S*: [^<]*|option:)$", r"\1\2", line)
        for line in lines
    )
    pipeline = build(text)
    train = pipeline.stage("train").arguments
    assert train[train.index("--epochs") + 1] == "60"
    search = pipeline.stage("search").arguments
    assert "generations=20" in search


def test_names_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'darts'"):
        sample_text("spos-tiny", "dart")
    with pytest.raises(InvalidPipeline, match="unknown space"):
        sample_text("spos-tinny", "spos")
