"""NNI's search-space files."""

import json
from pathlib import Path

import pytest

from spaces import formats
from spaces.choice import Choice, Combination
from spaces.errors import InvalidFile
from spaces.space import SearchSpace


@pytest.mark.reference_data
def test_published_file(nni_data: Path) -> None:
    choices = formats.read_search_space((nni_data / "classic_nas_search_space.json").read_text())
    assert choices == (
        Choice("first_conv", ("conv5x5", "conv3x3")),
        Choice("mid_conv", ("0", "1")),
        Combination.from_inputs("skip", ("0", "1"), 1),
    )


def test_every_kind_of_choice_reads_back(mixed: SearchSpace) -> None:
    assert formats.read_search_space(formats.write_search_space(mixed)) == mixed.choices


def test_entries_are_as_nni_writes_them(mixed: SearchSpace) -> None:
    assert json.loads(formats.write_search_space(mixed)) == {
        "op": {"_type": "layer_choice", "_value": ["a", "b", "c"]},
        "numbered": {"_type": "layer_choice", "_value": ["1", "0"]},
        "any": {
            "_type": "input_choice",
            "_value": {"candidates": ["x", "y", "z"], "n_chosen": None},
        },
        "two": {"_type": "input_choice", "_value": {"candidates": ["0", "1", "2"], "n_chosen": 2}},
        "one": {"_type": "input_choice", "_value": {"candidates": ["p", "q"], "n_chosen": 1}},
        "width": {"_type": "choice", "_value": [8, 16, 0.5, "wide", [1, 2]]},
    }


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (["a"], "k: an entry has '_type' and '_value'"),
        ({"_type": "layer_choice"}, "k: an entry has '_type' and '_value'"),
        ({"_type": "uniform", "_value": [0, 1]}, "k: unknown _type 'uniform'"),
        ({"_type": "layer_choice", "_value": "ab"}, "k: candidates are a list"),
        ({"_type": "layer_choice", "_value": ["a", 1]}, "k: a candidate's name is text, not 1"),
        ({"_type": "layer_choice", "_value": ["a", "a"]}, "k: candidates need different names"),
        ({"_type": "layer_choice", "_value": []}, "k: candidates need different names"),
        (
            {"_type": "input_choice", "_value": ["a"]},
            "k: an input choice has 'candidates' and 'n_chosen'",
        ),
        (
            {"_type": "input_choice", "_value": {"candidates": ["a"], "n_chosen": 2}},
            "k: cannot choose 2 of 1",
        ),
        (
            {"_type": "input_choice", "_value": {"candidates": ["a"], "n_chosen": True}},
            "k: n_chosen is an integer",
        ),
        (
            {"_type": "input_choice", "_value": {"candidates": ["a", "a"], "n_chosen": 1}},
            "k: inputs need different",
        ),
        ({"_type": "choice", "_value": [{"nested": 1}]}, "k: a value is a number"),
        ({"_type": "choice", "_value": [1, 1]}, r"k: .*\[1, 1\]"),
    ],
)
def test_wrong_entries_are_named(entry: object, named: str) -> None:
    with pytest.raises(InvalidFile, match=f"^{named}"):
        formats.read_search_space(
            json.dumps({"fine": {"_type": "layer_choice", "_value": ["a"]}, "k": entry})
        )


@pytest.mark.parametrize("text", ["[]", "{}", "nonsense"])
def test_what_is_no_search_space_is_refused(text: str) -> None:
    with pytest.raises(InvalidFile):
        formats.read_search_space(text)
