"""NNI's architecture files of three generations."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spaces
from spaces import formats
from spaces.architecture import Architecture
from spaces.errors import InvalidArchitecture, InvalidFile
from spaces.registry import SPACES
from spaces.space import SearchSpace

PUBLISHED = (2, 1, 0, 1, 2, 0, 2, 0, 2, 0, 2, 3, 0, 0, 0, 0, 3, 2, 3, 3)
GENERATIONS = ("nni", "nni-1.9", "nni-2.10", "nni-3.0")


def published() -> Architecture:
    return spaces.get("spos").architecture(PUBLISHED)


def one_hot(code: int) -> list[bool]:
    return [index == code for index in range(4)]


def automatic(value: Callable[[int], Any]) -> dict[str, Any]:
    """The published architecture under automatic keys."""
    return {f"LayerChoice{number}": value(code) for number, code in enumerate(PUBLISHED, 1)}


FILES = {
    "spos_architecture_final.v1.9.json": "nni-1.9",
    "spos_architecture_final.v2.10.json": "nni-2.10",
}


@pytest.mark.reference_data
@pytest.mark.parametrize("name", FILES)
def test_published_files_are_read_and_written(nni_data: Path, name: str) -> None:
    path = nni_data / name
    assert formats.read(path) == published()
    assert formats.read(str(path), "nni") == published()
    assert formats.read(path.read_text(), FILES[name]) == published()
    assert formats.detect(path.read_text()) == FILES[name]
    assert json.loads(formats.write(published(), FILES[name])) == json.loads(path.read_text())


@pytest.mark.parametrize("name", GENERATIONS)
@given(
    seed=st.integers(0, 2**32),
    preset=st.sampled_from(["spos", "spos-tiny", "spos(input_size=160)"]),
)
@settings(max_examples=20)
def test_spos_reads_back(name: str, seed: int, preset: str) -> None:
    space = spaces.get(preset)
    architecture = space.sample(np.random.default_rng(seed))
    assert formats.read(formats.write(architecture, name), name, space) == architecture
    assert formats.read(formats.write(architecture, name), "nni", preset) == architecture


@pytest.mark.parametrize("name", ["nni", "nni-2.10", "nni-3.0", "nni-sample", "pathfit"])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=40)
def test_every_kind_of_choice_reads_back(mixed: SearchSpace, name: str, seed: int) -> None:
    architecture = mixed.sample(np.random.default_rng(seed))
    text = formats.write(architecture, name)
    assert formats.read(text, name, mixed) == architecture
    assert formats.read(text, name) == architecture
    assert formats.read(text, space=mixed) == architecture


def test_values_are_spelled_as_nni_does(mixed: SearchSpace) -> None:
    chosen = {"op": "b", "numbered": "0", "any": "x+z", "two": "0+2", "one": "q", "width": "16"}
    text = formats.write(mixed.architecture(chosen), "nni-3.0")
    assert json.loads(text) == {
        "op": "b",
        "numbered": "0",
        "any": [0, 2],
        "two": [0, 2],
        "one": 1,
        "width": 16,
    }


@pytest.mark.parametrize(
    ("key", "value", "candidate"),
    [
        ("op", "c", "c"),
        ("op", 2, "c"),
        ("op", "2", "c"),
        ("op", ["c"], "c"),
        ("op", [2], "c"),
        ("op", [False, False, True], "c"),
        ("op", [0.0, 0.0, 1.0], "c"),
        ("numbered", "1", "1"),  # a name goes before an index
        ("numbered", 1, "0"),
        ("any", [], "none"),
        ("any", [0, 1], "x+y"),  # integers are indices, not a multi-hot list
        ("any", ["z", 0], "x+z"),
        ("any", [False, False, False], "none"),
        ("any", [True, False, True], "x+z"),
        ("any", "y", "y"),
        ("two", [2, 0], "0+2"),
        ("one", [False, True], "q"),
        ("one", 1, "q"),
        ("width", 0.5, "0.5"),
        ("width", "wide", "wide"),
        ("width", [1, 2], "(1, 2)"),
    ],
)
def test_every_spelling_of_a_value(
    mixed: SearchSpace, key: str, value: object, candidate: str
) -> None:
    rest = {"op": 0, "numbered": 0, "any": [], "two": [0, 1], "one": 0, "width": 8}
    architecture = formats.read(json.dumps({**rest, key: value}), "nni", mixed)
    assert architecture[key] == candidate


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("op", "d", "op: unknown candidate 'd'; it has: a, b, c"),
        ("op", 3, "op: the index 3 is out of range"),
        ("op", -1, "op: the index -1 is out of range"),
        ("op", "3", "op: the index 3 is out of range"),
        ("op", True, "op: unknown candidate True"),
        ("op", None, "op: unknown candidate None"),
        ("op", {"a": 1}, "op: unknown candidate"),
        ("op", [0, 2], "op has one of its candidates; the file selects a, c"),
        ("op", [], "op has one of its candidates; the file selects none"),
        ("op", [True, True, False], "op has one of its candidates; the file selects a, b"),
        ("op", [False, False, False], "op has one of its candidates; the file selects none"),
        ("op", [True, False], "op: the multi-hot list has 2 entries, not 3"),
        ("op", [1.0, 0.5, 0.0], "op: a multi-hot list holds 0.0 and 1.0, not 0.5"),
        ("any", [1, 1], "any: 'y' occurs twice"),
        ("two", [0], r"two: cannot take the inputs \[0\]"),
        ("two", [True, True, True], r"two: cannot take the inputs \[0, 1, 2\]"),
        ("one", ["p", "q"], r"one: cannot take the inputs \[0, 1\]"),
        ("width", 9, "width: unknown value 9"),
        ("width", 8.0, "width: unknown value 8.0"),
        ("width", "8", "width: unknown value '8'"),
    ],
)
def test_wrong_values_are_named(mixed: SearchSpace, key: str, value: object, named: str) -> None:
    rest = {"op": 0, "numbered": 0, "any": [], "two": [0, 1], "one": 0, "width": 8}
    with pytest.raises(InvalidArchitecture, match=f"^{named}"):
        formats.read(json.dumps({**rest, key: value}), "nni", mixed)


def test_generations_refuse_what_they_do_not_write() -> None:
    texts = {name: formats.write(published(), name) for name in GENERATIONS}
    with pytest.raises(
        InvalidArchitecture, match=r"layer_1: NNI 1\.9 writes a list of 4 booleans, not '2'"
    ):
        formats.read(texts["nni-2.10"], "nni-1.9", "spos")
    for later in ("nni-2.10", "nni-3.0"):
        with pytest.raises(
            InvalidArchitecture, match=r"layer_1: NNI .* not the multi-hot list of NNI 1.9"
        ):
            formats.read(texts["nni-1.9"], later, "spos")
    with pytest.raises(InvalidArchitecture, match="layer_1: unknown candidate '2'"):
        formats.read(texts["nni-2.10"], "nni-3.0", "spos")


def test_nni_1_9_has_no_choice_of_values(mixed: SearchSpace) -> None:
    architecture = mixed.sample(np.random.default_rng(0))
    with pytest.raises(InvalidArchitecture, match=r"width: NNI 1\.9 has no choice of values"):
        formats.write(architecture, "nni-1.9")


def test_automatic_keys_may_begin_anywhere_and_stand_in_any_order() -> None:
    later = {
        f"LayerChoice{number + 20}": code
        for number, code in reversed(list(enumerate(PUBLISHED, 1)))
    }
    assert formats.read(json.dumps(later), "nni", "spos") == published()


def test_automatic_keys_count_all_kinds_together(mixed: SearchSpace) -> None:
    text = json.dumps(
        {
            "width": 16,
            "LayerChoice3": "c",
            "LayerChoice5": 0,
            "InputChoice4": [],
            "InputChoice6": [0, 1],
            "InputChoice7": 1,
        }
    )
    architecture = formats.read(text, "nni", mixed)
    expected = {"op": "c", "numbered": "1", "any": "none", "two": "0+1", "one": "q", "width": "16"}
    assert architecture.choices == expected
    assert formats.read(text) == architecture


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"LayerChoice7": None}, "'LayerChoice7'.*is missing"),
        ({"LayerChoice20": None}, "'layer_20' is missing: 19 keys LayerChoice"),
        (
            {"LayerChoice21": 0},
            "unexpected choice 'LayerChoice21': 21 keys LayerChoice... for 20 choices",
        ),
        ({"InputChoice21": 0}, "unexpected choice 'InputChoice21'"),
        ({"layer_21": 0}, "unexpected choice 'layer_21'"),
        ({"layer_1": 0}, "'LayerChoice20': 20 keys"),
        ({"LayerChoice3": 7}, "layer_3: the index 7"),
    ],
)
def test_wrong_automatic_keys_are_named(change: dict[str, Any], named: str) -> None:
    given = {key: value for key, value in {**automatic(int), **change}.items() if value is not None}
    with pytest.raises(InvalidArchitecture, match=named):
        formats.read(json.dumps(given), "nni", "spos")


def test_own_keys_missing_and_unexpected_are_named() -> None:
    given = dict.fromkeys(published().choices, "k3")
    with pytest.raises(InvalidArchitecture, match="the choice 'layer_9' is missing"):
        formats.read(
            json.dumps({key: name for key, name in given.items() if key != "layer_9"}),
            "nni",
            "spos",
        )
    with pytest.raises(InvalidArchitecture, match="unexpected choice 'layer_21'"):
        formats.read(json.dumps({**given, "layer_21": "k3"}), "nni", "spos")


def test_a_space_that_cannot_be_guessed_must_be_named() -> None:
    with pytest.raises(
        InvalidArchitecture, match=r"the 3 choices a ... c fit no registered space; name the space"
    ):
        formats.read('{"a": 0, "b": 1, "c": 2}', "nni")
    with pytest.raises(
        InvalidArchitecture, match=r"LayerChoice1 ... LayerChoice19 fit .*; name the space"
    ):
        formats.read(json.dumps(dict(list(automatic(str).items())[:19])))


def test_a_fault_is_named_for_each_space_with_such_choices() -> None:
    given = {**published().choices, "layer_3": "k9"}
    with pytest.raises(
        InvalidArchitecture, match="not of spos: layer_3: unknown candidate 'k9'"
    ) as caught:
        formats.read(json.dumps(given))
    assert "not of ofa-mobilenetv3: layer_1: unknown candidate 'k7'" in str(caught.value)


def test_two_spaces_that_fit_are_told_apart_by_their_candidates_or_named(
    mixed: SearchSpace,
) -> None:
    tiny = {
        f"LayerChoice{number}": one_hot(0) for number in range(1, 7)
    }  # NAS-Bench-201 has 6 choices of 5
    assert formats.read(json.dumps(tiny)).space == "spos-tiny"

    text = formats.write(mixed.sample(np.random.default_rng(0)), "nni-3.0")
    with SPACES.preserved():

        @spaces.register_space("twin")
        def twin(name: str, /) -> SearchSpace:
            return type(mixed)(name, mixed.choices, (3, 32, 32), 10)

        with pytest.raises(InvalidArchitecture, match="fit mixed, twin; name the space"):
            formats.read(text)
        assert formats.read(text, space="twin").space == "twin"


@pytest.mark.parametrize(
    "text",
    ["{}", "[1]", '"a"', "3", "{", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, "9" * 5000],
)
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidFile):
        formats.read(text, "nni", "spos")


@pytest.mark.reference_data
@pytest.mark.parametrize("name", ["classic_nas_config_ppo.yml", "spos_config_search.v1.9.yml"])
def test_a_configuration_of_an_experiment_is_no_architecture(nni_data: Path, name: str) -> None:
    for format_name in (None, "nni", "spos"):
        with pytest.raises(
            InvalidFile, match=f"{name}: this is the configuration of an NNI experiment"
        ):
            formats.read(nni_data / name, format_name)


@pytest.mark.reference_data
def test_a_search_space_is_no_architecture(nni_data: Path) -> None:
    for format_name in (None, "nni", "nni-sample"):
        with pytest.raises(InvalidFile, match="NNI search space, not an architecture"):
            formats.read(nni_data / "classic_nas_search_space.json", format_name)
