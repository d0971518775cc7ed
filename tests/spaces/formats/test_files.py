"""Files of one or many architectures."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import spaces
from spaces.errors import InvalidArchitecture, InvalidFile
from spaces.formats import read_architectures, register_collection
from spaces.formats.collections import COLLECTIONS
from spaces.formats.files import adopted


def test_read_architectures_takes_an_object_a_list_or_lines(tmp_path: Path) -> None:
    space = spaces.get("spos-tiny")
    codes = space.sample(np.random.default_rng(3), 2)
    one, two = space.decode(codes)
    file = tmp_path / "archs.json"
    for text, expected in (
        (one.to_json(), [one]),
        (f"[{one.to_json()}, {two.to_json()}]", [one, two]),
        (f"{one.to_json()}\n\n{two.to_json()}\n", [one, two]),
        (f'{{"architecture": {one.to_json()}, "mean": 1.5}}\n{two.to_json()}\n', [one, two]),
    ):
        file.write_text(text)
        assert read_architectures(file, space) == expected
    file.write_text(f"[{one.to_json()}, 3]")
    with pytest.raises(
        InvalidArchitecture, match=r"archs\.json, architecture 2: '3' is in no format"
    ):
        read_architectures(file)
    file.write_text(f"{one.to_json()}\n{{")
    with pytest.raises(InvalidArchitecture, match=r"archs\.json, line 2: '{' is in no format"):
        read_architectures(file)
    file.write_text(one.to_json())
    with pytest.raises(
        InvalidArchitecture, match=r"archs\.json: .*an architecture of spos-tiny, not of spos"
    ):
        read_architectures(file, spaces.get("spos"))


def test_read_architectures_adopts_the_choices_of_another_space(tmp_path: Path) -> None:
    space = spaces.get("spos(input_size=64)")
    file = tmp_path / "archs.jsonl"
    architecture = spaces.published("spos")
    file.write_text(f"{architecture.to_json()}\n{architecture.to_json()}\n")
    carried = read_architectures(file, space, adopt=True)
    assert [one.space for one in carried] == [space.name] * 2
    assert carried[0].choices == architecture.choices


def test_classifier_adopts_the_backbone_of_a_detector() -> None:
    detectors = spaces.get("spos-tiny(head=ssdlite, input_size=64)")
    classifiers = spaces.get("spos-tiny")
    detector = detectors.architecture([1] * len(detectors.choices))

    backbone = adopted(detector, classifiers)

    assert backbone == classifiers.architecture([1] * len(classifiers.choices))
    # Of a smaller backbone nothing is left out, whatever its head.
    shorter = spaces.get("spos-tiny(repeats=(1, 1, 1))")
    with pytest.raises(InvalidArchitecture, match="other choices"):
        adopted(classifiers.architecture([1] * len(classifiers.choices)), shorter)
    # A detector's own choices cannot be made up.
    with pytest.raises(InvalidArchitecture, match="other choices"):
        adopted(backbone, detectors)


def collection(value: "dict[str, object]", every: bool) -> "list[object] | None":
    """Return the members of a collection that the tests below register."""
    members = value.get("members")
    return members if every or not isinstance(members, list) else members[:1]  # type: ignore[return-value]


@pytest.fixture
def registered() -> Iterator[None]:
    with COLLECTIONS.preserved():
        register_collection("members")(collection)
        yield


@pytest.mark.usefixtures("registered")
def test_read_architectures_reads_a_registered_collection(tmp_path: Path) -> None:
    space = spaces.get("spos-tiny")
    members = space.decode(space.sample(np.random.default_rng(0), 2))
    file = tmp_path / "members.json"
    file.write_text(json.dumps({"members": [one.to_dict() for one in members]}))

    assert read_architectures(file) == members[:1]
    assert read_architectures(file, every=True) == members

    file.write_text('{"members": []}')
    with pytest.raises(InvalidFile, match=r"members\.json: it holds no architecture"):
        read_architectures(file)
