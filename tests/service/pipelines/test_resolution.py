"""Names in a request's pipeline, and the refusal of everything else that could be a path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oneshot.pipeline.document import parse_document
from oneshot.pipeline.kinds import STAGES
from oneshot.pipeline.options import StageOptions, key_of
from oneshot.pipeline.sample import sample_text
from service.catalog.catalog import Catalog
from service.pipelines.keys import is_plain
from service.pipelines.resolution import ResolvedPipeline, resolve
from service.pipelines.texts import document_from_dict, document_to_dict, runnable_text

# Options whose texts are names of the catalog or of published networks.
NAMED = {
    "space",
    "data",
    "constraint",
    "objective",
    "target",
    "table",
    "final-guide",
    "guide",
    "init-from-supernet",
    "arch",
    "transfer",
    "truth",
    "columns",
    "charge",
}

PATH = "/etc/passwd"


@pytest.fixture
def catalog(world: Any, tmp_path: Path) -> Catalog:
    return Catalog(world.settings(tmp_path))


def resolved(text: str, catalog: Catalog) -> ResolvedPipeline:
    return resolve(parse_document(text, Path("pipeline")), catalog)


def keys(text: str, catalog: Catalog) -> list[str]:
    return [fault.key for fault in resolved(text, catalog).document.faults]


def test_options_that_are_neither_plain_nor_named_are_refused(catalog: Catalog) -> None:
    for kind in STAGES.values():
        for option in StageOptions(kind).all():
            key = key_of(option)
            if is_plain(key, option) or key in NAMED or key == "resume":
                continue
            assert keys(f"{kind.name}: {{{key}: x}}", catalog) == [f"{kind.name}.{key}"]


def test_names_become_files_and_links(world: Any, catalog: Catalog) -> None:
    text = """
space: spos-tiny
data: digits
profile: made-up
train: {epochs: 1}
predict: small
search: {constraint: ["latency_ms<=5@made-up", "latency_ms<=6@profile", flops<=9e9]}
"""
    pipeline = resolved(text, catalog)
    assert pipeline.document.faults == []
    assert [file.reference.name for file in pipeline.files] == ["made-up", "small"]
    table = str((world.tables / "made-up.json").resolve())
    search = pipeline.document.entries["search"].value
    assert isinstance(search, dict)
    assert search["constraint"].value == [
        f"latency_ms<=5@{table}",
        "latency_ms<=6@profile",
        "flops<=9e9",
    ]
    links = {file.path: file.link for file in pipeline.files}
    runnable = json.loads(runnable_text(pipeline.document, links))
    assert str(world.tables) not in json.dumps(runnable)
    assert runnable["profile"] == "inputs/table-0.json"
    assert runnable["search"]["constraint"][0] == "latency_ms<=5@inputs/table-0.json"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"plugins: [{PATH}]", "plugins"),
        (f"space: {PATH}", "space"),
        ("space: spos-tiny(input_size=320)", "space"),
        (f"data: {PATH}", "data"),
        (f"train: {{data: 'digits:{PATH}'}}", "train.data"),
        (f"profile: {PATH}", "profile"),
        (f"train: {PATH}", "train"),
        (f"evaluate: {PATH}", "evaluate"),
        (f"predict: {PATH}", "predict"),
        (f"search: {PATH}", "search"),
        (f"retrain: {PATH}", "retrain"),
        (f"export: {PATH}", "export"),
        (f"measure: {PATH}", "measure"),
        ("profile: {upload: 'http://169.254.169.254/'}", "profile.upload"),
        ("profile: {output: a.json}", "profile.output"),
        ("profile: {o: a.json}", "profile.o"),
        ("profile: {cores: '0,1'}", "profile.cores"),
        ("profile: {name: phone}", "profile.name"),
        (f"train: {{target: 'latency_ms@{PATH}'}}", "train.target"),
        (f"train: {{constraint: 'latency_ms<=3@ {PATH} '}}", "train.constraint"),
        (f"train: {{table: {PATH}}}", "train.table"),
        ("train: {devices: 4}", "train.devices"),
        (f"evaluate: {{archs: {PATH}}}", "evaluate.archs"),
        (f"evaluate: {{truth: {PATH}}}", "evaluate.truth"),
        ("evaluate: {workers: 9}", "evaluate.workers"),
        ("evaluate: {engine: ray}", "evaluate.engine"),
        ("evaluate: {address: '10.0.0.1:6379'}", "evaluate.address"),
        (f"predict: {{data: {PATH}}}", "predict.data"),
        (f"predict: {{transfer: {PATH}}}", "predict.transfer"),
        ("predict: {report: a.json}", "predict.report"),
        (f"search: {{guide: 'predictor:{PATH}'}}", "search.guide"),
        (f"search: {{guide: 'supernet:{PATH}'}}", "search.guide"),
        (f"search: {{guide: 'mine:{PATH}'}}", "search.guide"),
        (f"search: {{guide: 'train:{PATH}'}}", "search.guide"),
        (f"search: {{finalists: 4, final_guide: 'train:{PATH}'}}", "search.final_guide"),
        (f"search: {{finalists: 4, final-guide: 'supernet:{PATH}'}}", "search.final-guide"),
        (f"predict: {{columns: ['{PATH}:top1']}}", "predict.columns"),
        (f"search: {{objective: ['flops', 'latency_ms@{PATH}']}}", "search.objective"),
        ("search: {plot: a.png}", "search.plot"),
        (f"search: {{charge: 'latency_ms=9^0.1@{PATH}'}}", "search.charge"),
        (f"train: {{charge: 'latency_ms=9^0.1@{PATH}'}}", "train.charge"),
        ("search: {export-each: folder}", "search.export-each"),
        (f"retrain: {{arch: {PATH}}}", "retrain.arch"),
        (f"retrain: {{init-from-supernet: {PATH}}}", "retrain.init-from-supernet"),
        (f"measure: {{table: {PATH}}}", "measure.table"),
    ],
)
def test_paths_addresses_and_outputs_are_refused(text: str, key: str, catalog: Catalog) -> None:
    assert keys(text, catalog) == [key]


@pytest.mark.parametrize("algorithm", ["spos", "proxyless"])
def test_the_sample_runs_at_a_service_as_it_is(catalog: Catalog, algorithm: str) -> None:
    assert keys(sample_text("spos-tiny", algorithm), catalog) == []


def test_measurements_take_one_core_unless_they_ask_for_more(catalog: Catalog) -> None:
    text = "profile:\nmeasure: {threads: 3}\ntrain:\n"
    runnable = json.loads(runnable_text(resolved(text, catalog).document, {}))
    assert runnable == {"profile": {"threads": "1"}, "measure": {"threads": "3"}, "train": {}}


def test_short_trainings_take_one_process(catalog: Catalog) -> None:
    text = "search: {guide: 'train:digits', training: steps=5}\n"
    runnable = json.loads(runnable_text(resolved(text, catalog).document, {}))
    assert runnable["search"] == {"guide": "train:digits", "training": "steps=5", "workers": "1"}

    text = "search: {guide: predictor, finalists: 4, final_guide: 'train:digits'}\n"
    runnable = json.loads(runnable_text(resolved(text, catalog).document, {}))
    finalists = {"finalists": "4", "final_guide": "train:digits", "workers": "1"}
    assert runnable["search"] == {"guide": "predictor", **finalists}


def test_a_document_survives_json() -> None:
    document = parse_document("a: [1, {b: 2}]\nc: {d: null, e: x}\nc: 1\n", Path("pipeline"))
    assert len(document.faults) == 1
    value = json.loads(json.dumps(document_to_dict(document)))
    assert document_from_dict(value, document.path) == document
