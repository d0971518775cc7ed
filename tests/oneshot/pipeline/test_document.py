"""Reading a pipeline's YAML: texts as on a command line, lines of faults, replaced values."""

from pathlib import Path

import pytest

from oneshot.pipeline.document import Document, Entry, parse_document
from oneshot.pipeline.faults import InvalidPipeline

PATH = Path("pipeline.yaml")


def parse(text: str) -> Document:
    return parse_document(text, PATH)


def options(document: Document, stage: str) -> dict[str, object]:
    value = document.entries[stage].value
    assert isinstance(value, dict)
    return {key: entry.value for key, entry in value.items()}


def test_scalars_stay_the_texts_that_were_written() -> None:
    document = parse("train: {a: 1e-3, b: 20:30, c: 010, d: no, e: 'x', f: 2020-01-01, g: ~}")
    assert options(document, "train") == {
        "a": "1e-3",
        "b": "20:30",
        "c": "010",
        "d": "no",
        "e": "x",
        "f": "2020-01-01",
        "g": None,
    }


def test_entries_have_the_lines_of_their_keys() -> None:
    document = parse("# comment\nspace: spos-tiny\ntrain:\n  epochs: 3\n")
    assert document.entries["space"] == Entry("space", "spos-tiny", 2)
    train = document.entries["train"].value
    assert isinstance(train, dict)
    assert train["epochs"].line == 4


def test_a_key_that_is_set_twice_is_a_fault_with_both_lines() -> None:
    document = parse("train:\n  epochs: 1\n  steps: 2\n  epochs: 3\n")
    assert [str(fault) for fault in document.faults] == [
        "line 4: train.epochs: set twice; the first time in line 2"
    ]


def test_tags_that_make_objects_are_refused() -> None:
    document = parse("space: !!python/object/apply:os.system [exit]\n")
    assert [fault.line for fault in document.faults] == [1]
    assert document.entries["space"].value is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: &x [1]\nb: *x\n", 2),
        ("a: [1\nb: 2\n", 2),
        ("- a\n- b\n", 1),
        ("a: " + "[" * 50 + "]" * 50, 1),
    ],
)
def test_what_is_no_pipeline_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(InvalidPipeline) as caught:
        parse(text)
    assert [fault.line for fault in caught.value.faults] == [line]


def test_an_assignment_replaces_an_option_of_either_spelling() -> None:
    document = parse("train: {batch_size: 8, epochs: 3}\n")
    document.set("train.batch-size=16")
    assert options(document, "train") == {"epochs": "3", "batch-size": "16"}


def test_assignments_add_stages_and_general_keys() -> None:
    document = parse("train: {epochs: 3}\n")
    document.set("space=spos-tiny")
    document.set("retrain.epochs=1")
    document.set("profile=table.json")
    document.set("search.constraint=[flops<=3e6, params<=1e5]")
    assert document.entries["space"].value == "spos-tiny"
    assert options(document, "retrain") == {"epochs": "1"}
    assert document.entries["profile"].value == "table.json"
    assert options(document, "search") == {"constraint": ["flops<=3e6", "params<=1e5"]}


@pytest.mark.parametrize("assignment", ["train.epochs", "=3", "a.b.c=1", "train.=1"])
def test_an_assignment_without_key_or_value_is_refused(assignment: str) -> None:
    with pytest.raises(InvalidPipeline, match=r"STAGE\.OPTION=VALUE"):
        parse("").set(assignment)
