"""Architectures: values, JSON, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spaces
from spaces import Architecture
from spaces.errors import InvalidArchitecture, InvalidFile, InvalidParameter, UnknownName

NAMES = ("spos", "spos-tiny", "spos(input_size=160)", "spos-tiny(num_classes=7, repeats=(1, 2, 1))")


def sample(name: str, seed: int) -> Architecture:
    return spaces.get(name).sample(np.random.default_rng(seed))


def tiny(**changes: object) -> dict[str, object]:
    """The choices of an architecture of spos-tiny, changed."""
    return {**{f"layer_{index}": "k3" for index in range(1, 7)}, **changes}


@given(name=st.sampled_from(NAMES), seed=st.integers(0, 2**32))
def test_json_reads_back(name: str, seed: int) -> None:
    architecture = sample(name, seed)
    read = Architecture.from_json(architecture.to_json())
    assert read == architecture
    assert hash(read) == hash(architecture)
    assert read.space == name


def test_json_is_as_documented() -> None:
    text = spaces.get("spos-tiny(input_size=16)").architecture([2, 1, 0, 3, 2, 1]).to_json()
    assert "\n" not in text
    names = ["k7", "k5", "k3", "xcep", "k7", "k5"]
    choices = {f"layer_{index}": name for index, name in enumerate(names, 1)}
    assert json.loads(text) == {"space": "spos-tiny(input_size=16)", "choices": choices}
    assert list(json.loads(text)["choices"]) == list(choices)


def test_order_of_a_mapping_does_not_matter() -> None:
    forward = tiny(layer_2="xcep")
    backward = dict(reversed(forward.items()))
    space = spaces.get("spos-tiny")
    assert space.architecture(forward) == space.architecture(backward)
    assert list(space.architecture(backward).choices) == list(forward)


def test_parameters_equal_to_the_defaults_vanish() -> None:
    given = {"space": "spos-tiny(input_size=32)", "choices": tiny()}
    assert Architecture.from_dict(given).space == "spos-tiny"


def test_values_can_be_looked_up_and_not_changed() -> None:
    architecture = spaces.get("spos-tiny").architecture(tiny(layer_3="k5"))
    assert architecture["layer_3"] == "k5"
    assert dict(architecture) == architecture.choices == tiny(layer_3="k5")
    architecture.choices["layer_3"] = "k7"
    assert architecture["layer_3"] == "k5"
    with pytest.raises(AttributeError):
        architecture.space = "spos"  # type: ignore[misc]


def test_equal_only_where_space_and_choices_are() -> None:
    codes = [0] * 6
    given = [
        ("spos-tiny", codes),
        ("spos-tiny(input_size=16)", codes),
        ("spos-tiny", [0] * 5 + [1]),
    ]
    assert len({spaces.get(name).architecture(values) for name, values in given * 2}) == 3


@pytest.mark.parametrize(
    ("choices", "fault"),
    [
        ({key: "k3" for key in tiny() if key != "layer_4"}, "the choice 'layer_4' is missing"),
        ({}, "the choice 'layer_1' is missing"),
        (tiny(layer_7="k3"), "unexpected choice 'layer_7'; the choices are layer_1 ... layer_6"),
        (tiny(layer_5="k9"), "layer_5: unknown candidate 'k9'; available: k3, k5, k7, xcep"),
        (tiny(layer_5=1), "layer_5: unknown candidate 1; available: k3, k5, k7, xcep"),
        (tiny(layer_5=["k3"]), "layer_5: unknown candidate ['k3']"),
        (tiny(layer_5=None), "layer_5: unknown candidate None"),
    ],
)
def test_wrong_choices_are_named(choices: dict[str, object], fault: str) -> None:
    space = spaces.get("spos-tiny")
    with pytest.raises(InvalidArchitecture) as caught:
        space.architecture(choices)
    assert str(caught.value).startswith(fault)
    with pytest.raises(InvalidArchitecture) as again:
        Architecture.from_json(json.dumps({"space": "spos-tiny", "choices": choices}))
    assert str(again.value) == str(caught.value)


@pytest.mark.parametrize(
    ("codes", "fault"),
    [
        ([0] * 5, "spos-tiny has 6 choices; 5 codes were given"),
        ([], "spos-tiny has 6 choices; 0 codes were given"),
        ([0, 0, 4, 0, 0, 0], "layer_3: code 4 is out of range; there are 4 candidates"),
        ([0, 0, 0, 0, 0, -1], "layer_6: code -1 is out of range; there are 4 candidates"),
        ([0, 0, 0, 0, 0, 260], "layer_6: code 260 is out of range; there are 4 candidates"),
        ([0.0] * 6, "codes are integers, not float64"),
        (["k3"] * 6, "codes are integers, not <U2"),
        ([True] * 6, "codes are integers, not bool"),
    ],
)
def test_wrong_codes_are_named(codes: list[int], fault: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        spaces.get("spos-tiny").architecture(codes)
    assert str(caught.value) == fault


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ([], "an architecture is an object with 'space' and 'choices', not []"),
        ("spos", "an architecture is an object with 'space' and 'choices', not 'spos'"),
        (None, "an architecture is an object with 'space' and 'choices', not None"),
        ({"choices": {}}, "the architecture lacks the key 'space'"),
        ({"space": "spos"}, "the architecture lacks the key 'choices'"),
        ({"space": 3, "choices": {}}, "the architecture's 'space' must be a name, not 3"),
        (
            {"space": "spos", "choices": [0, 1]},
            "the architecture's 'choices' must map choices to candidates, not [0, 1]",
        ),
    ],
)
def test_wrong_objects_are_named(value: object, fault: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        Architecture.from_json(json.dumps(value))
    assert str(caught.value) == fault


@pytest.mark.parametrize("text", ["", "{", "spos", "{'space': 'spos'}", '{"space": "spos",}'])
def test_text_other_than_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidArchitecture, match=r"^not JSON: .*line 1 column"):
        Architecture.from_json(text)


def test_unknown_space_is_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownName) as caught:
        Architecture.from_json('{"space": "sops", "choices": {}}')
    assert str(caught.value).startswith("unknown space 'sops'; available: ")
    assert {"spos", "spos-tiny"} <= set(caught.value.known)


def test_wrong_parameter_of_the_space_is_named() -> None:
    with pytest.raises(InvalidParameter, match="spos has no option 'size'"):
        Architecture.from_json('{"space": "spos(size=160)", "choices": {}}')


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "not JSON"),
        ('{"space": "sops", "choices": {}}', "unknown space 'sops'"),
        ('{"space": "spos(size=1)", "choices": {}}', "no option 'size'"),
        ('{"space": "spos", "choices": {}}', "the choice 'layer_1' is missing"),
    ],
)
def test_faults_of_a_file_name_it(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "arch.json"
    path.write_text(text)
    with pytest.raises(InvalidArchitecture) as caught:
        Architecture.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert fault in str(caught.value)


def test_reads_a_file(tmp_path: Path) -> None:
    architecture = sample("spos", 3)
    path = tmp_path / "arch.json"
    path.write_text(architecture.to_json())
    assert Architecture.read(path) == Architecture.read(str(path)) == architecture


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"\xe9\xff")
    for name, reason in [("missing", "No such file"), ("latin", "not UTF-8")]:
        with pytest.raises(InvalidFile, match=f"{name}: {reason}"):
            Architecture.read(tmp_path / name)
