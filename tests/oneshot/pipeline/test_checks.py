"""Faults that `pathfit pipeline check` finds in the values of stages before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from oneshot.pipeline.building import build_pipeline
from oneshot.pipeline.document import parse_document
from oneshot.pipeline.faults import Fault, InvalidPipeline
from oneshot.tasks import Classification
from oneshot.tasks.registry import TASKS, register_task

# A table of the space spos, whose blocks those of spos-tiny are not.
FOREIGN_TABLE = "amd-epyc-spos-b1-fp32-t2"


def faults(text: str) -> list[Fault]:
    try:
        build_pipeline(parse_document(text, Path("pipeline.yaml")), Path("out"))
    except InvalidPipeline as invalid:
        return list(invalid.faults)
    return []


def keys(text: str) -> list[str]:
    return [fault.key for fault in faults(text)]


def test_five_different_faults_are_reported_as_five() -> None:
    text = f"""space: spos-tiny
task: masking
train:
  sampler: uniform-latency
  table: {FOREIGN_TABLE}
  target: flops
  epoch: 3
search:
  constraint: flops<=3
"""
    with TASKS.preserved():

        @register_task("masking")
        class Masking(Classification):
            head = "mask"

        assert [(fault.line, fault.key) for fault in faults(text)] == [
            (2, "task"),
            (5, "train.table"),
            (6, "train.target"),
            (7, "train.epoch"),
            (9, "search.constraint"),
        ]


@pytest.mark.parametrize(
    ("train", "key"),
    [
        ("{target: flops}", "train.target"),
        ("{option: {binary_mode: two}}", "train.option"),
        # The limit is out of reach as well, which no longer matters.
        ("{constraint: flops<=3}", "train.constraint"),
        ("{with-network: true}", "train.with-network"),
        ("{algorithm: proxyless, sampler: fair}", "train.sampler"),
        ("{algorithm: proxyless, cost-range: [1, 2]}", "train.cost-range"),
        ("{algorithm: proxyless, bins: 9}", "train.bins"),
        ("{charge: 'macs=2e6^0.07'}", "train.charge"),
        ("{algorithm: darts, charge: 'macs=2e6^0.07'}", "train.charge"),
        ("{algorithm: darts, option: {binary_mode: two}}", "train.option"),
    ],
)
def test_options_of_another_algorithm_are_faults(train: str, key: str) -> None:
    assert keys(f"space: spos-tiny\ntrain: {train}\n") == [key]


@pytest.mark.parametrize(
    "train",
    [
        "{algorithm: proxyless, sampler: uniform, bins: 7}",
        "{with-network: false}",
        "{algorithm: proxyless, target: flops, option: {binary_mode: two}}",
        "{sampler: uniform-flops, bins: 3}",
    ],
)
def test_defaults_and_own_options_are_no_faults(train: str) -> None:
    assert keys(f"space: spos-tiny\ntrain: {train}\n") == []


@pytest.mark.parametrize(
    ("stages", "key"),
    [
        (f"train: {{algorithm: proxyless, target: latency_ms@{FOREIGN_TABLE}}}", "train.target"),
        (f"train: {{sampler: uniform-latency, table: {FOREIGN_TABLE}}}", "train.table"),
        ("train: {sampler: uniform-latency}", "train.sampler"),
        ("train: {algorithm: proxyless, target: accuracy}", "train.target"),
        ("train: {algorithm: proxyless, charge: macs=2e6}", "train.charge"),
        (f"train:\nsearch: {{charge: 'latency_ms=9^0.1@{FOREIGN_TABLE}'}}", "search.charge"),
        ("train: {algorithm: proxyless, target: latency_ms}", "train.target"),
        (f"train:\nsearch: {{objective: latency_ms@{FOREIGN_TABLE}}}", "search.objective"),
        (f"train:\nsearch:\nmeasure: {{table: {FOREIGN_TABLE}}}", "measure.table"),
        (
            f"profile: {FOREIGN_TABLE}\ntrain:\nsearch: {{constraint: latency_ms<=9@profile}}",
            "search.constraint",
        ),
        (f"profile: {FOREIGN_TABLE}\ntrain:\nsearch:\nmeasure:", "measure.table"),
    ],
)
def test_tables_and_targets_that_do_not_fit_the_space_are_faults(stages: str, key: str) -> None:
    assert keys(f"space: spos-tiny\n{stages}\n") == [key]


def test_a_table_that_is_still_to_be_measured_is_no_fault_of_any_option() -> None:
    text = """
space: spos-tiny
profile: {}
train: {algorithm: proxyless, target: latency_ms@profile, constraint: latency_ms<=2@profile}
search:
  guide: supernet
  constraint: [latency_ms<=2@profile]
  objective: [latency_ms@profile, flops]
  charge: latency_ms=2^0.07@profile
measure: {}
"""
    assert faults(text) == []


def test_files_of_other_runtimes_are_a_fault() -> None:
    text = "space: spos-tiny\nretrain: {{}}\nexport: {{to: {}}}\n"
    (fault,) = [fault for fault in faults(text.format("openvino")) if fault.key == "export.to"]
    assert fault.line == 3
    assert "a pipeline exports to onnx, not to 'openvino'" in str(fault)
    assert "export.to" not in keys(text.format("onnx"))


@pytest.mark.parametrize(
    ("search", "key"),
    [
        ("{guide: 'oracle:x'}", "search.guide"),
        ("{finalists: 8}", "search.finalists"),
        ("{final-guide: 'train:digits'}", "search.final-guide"),
        ("{finalists: 8, final-guide: 'oracle:x'}", "search.final-guide"),
        ("{finalists: 8, final-guide: train}", "search.final-guide"),
        ("{finalists: 8, final-guide: 'benchmark:nowhere'}", "search.final-guide"),
        ("{finalists: 1, final-guide: 'train:digits'}", "search.finalists"),
    ],
)
def test_guides_and_finalists_are_checked(search: str, key: str) -> None:
    assert keys(f"space: spos-tiny\ntrain:\nsearch: {search}\n") == [key]
