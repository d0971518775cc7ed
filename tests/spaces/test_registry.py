"""Spaces by name."""

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import spaces
from spaces import registry
from spaces.errors import InvalidParameter, UnknownName


def test_available_names_are_sorted_and_can_be_got() -> None:
    names = spaces.available()
    assert names == sorted(set(names))
    assert {"spos", "spos-tiny"} <= set(names)
    assert [spaces.get(name).name for name in names] == names


@pytest.mark.parametrize(
    ("name", "parameters", "canonical"),
    [
        ("spos()", {}, "spos"),
        ("spos(input_size=224)", {}, "spos"),
        ("spos", {"input_size": 160}, "spos(input_size=160)"),
        ("spos( input_size = 160 )", {}, "spos(input_size=160)"),
        ("spos(input_size=160)", {"input_size": 192}, "spos(input_size=192)"),
        ("spos(input_size=160)", {"input_size": 224}, "spos"),
        ("spos(num_classes=10, input_size=160)", {}, "spos(input_size=160, num_classes=10)"),
        ("spos(input_size=160)", {"num_classes": 10}, "spos(input_size=160, num_classes=10)"),
        ("spos(repeats=[4, 4, 8, 4])", {}, "spos"),
        ("spos-tiny", {"repeats": [1, 2, 3]}, "spos-tiny(repeats=(1, 2, 3))"),
        ("spos-tiny(input_size=224)", {}, "spos-tiny(input_size=224)"),
    ],
)
def test_names_become_canonical(name: str, parameters: dict[str, Any], canonical: str) -> None:
    space = spaces.get(name, **parameters)
    assert space.name == canonical
    assert spaces.get(canonical) == space
    assert hash(spaces.get(canonical)) == hash(space)
    assert space.sample(np.random.default_rng(0)).space == canonical


def test_parameters_take_effect() -> None:
    space = spaces.get("spos-tiny(input_size=24, repeats=(1, 3), channels=(32, 64), num_classes=5)")
    assert space.input_shape == (3, 24, 24)
    assert len(space.choices) == 4
    last = space.blocks(space.architecture([0] * 4))[-1]
    assert (space.num_classes, last.output) == (5, (5,))


def test_spaces_of_different_names_differ() -> None:
    assert (
        len({spaces.get(name) for name in ("spos", "spos()", "spos-tiny", "spos(input_size=160)")})
        == 3
    )
    assert spaces.get("spos") != "spos"


def test_pickle_carries_the_name() -> None:
    space = spaces.get("spos(input_size=160)")
    assert pickle.loads(pickle.dumps(space)) == space


@pytest.mark.parametrize("name", ["sops", "", "(input_size=160)", "Spos", " spos"])
def test_unknown_space_is_named(name: str) -> None:
    with pytest.raises(UnknownName) as caught:
        spaces.get(name)
    assert caught.value.kind == "space"
    assert caught.value.name == name.partition("(")[0]
    assert set(caught.value.known) == set(spaces.available())


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("spos(size=160)", ("spos", "no option 'size'", "input_size", "num_classes")),
        ("spos(imput_size=160)", ("no option 'imput_size'", "did you mean 'input_size'?")),
        ("spos(input_size='160')", ("spos: input_size must be", "int", "224", "'160'")),
        ("spos(input_size=160.0)", ("input_size", "160.0")),
        ("spos(input_size=True)", ("input_size", "True")),
        ("spos(input_size=None)", ("input_size", "None")),
        ("spos(input_size=(160,))", ("input_size", "(160,)")),
        ("spos(input_size={[]: 1})", ("cannot read",)),
        ("spos(input_size=0)", ("input_size must be positive", "0")),
        ("spos(input_size=-160)", ("input_size must be positive", "-160")),
        ("spos(repeats=4)", ("repeats must be", "tuple", "4")),
        ("spos(repeats=(4, 'a', 8, 4))", ("repeats must be", "'a'")),
        ("spos(repeats=(4, [4], 8, 4))", ("repeats must be", "[4]")),
        ("spos(repeats=(4, 1.5, 8, 4))", ("repeats must be", "1.5")),
        ("spos(repeats=(4, 0, 8, 4))", ("repeats must be positive", "0")),
    ],
)
def test_wrong_parameters_are_named(name: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidParameter) as caught:
        spaces.get(name)
    assert [part for part in parts if part not in str(caught.value)] == []


@pytest.mark.parametrize(
    "name",
    [
        "spos(",
        "spos(160)",
        "spos(input_size=160",
        "spos(input_size=160)x",
        "spos(input_size=160) + 1",
        "spos(input_size=160)(num_classes=10)",
        "spos(input_size=160, input_size=192)",
        "spos(**{'input_size': 160})",
        "spos(input_size=__import__('os').getpid())",
        "spos(input_size=" + "-" * 5000 + "1)",
    ],
)
def test_what_cannot_be_read_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        spaces.get(name)
    assert str(caught.value).startswith(f"cannot read the space {name!r:.80};")
    assert str(caught.value).endswith("'NAME(option=1)'")


@pytest.fixture
def unregistered() -> Iterator[None]:
    with registry.SPACES.preserved():
        yield


@pytest.mark.usefixtures("unregistered")
def test_a_registered_space_is_got_by_name_once() -> None:
    seen: list[tuple[str, float]] = []

    @spaces.register_space("mine")
    def mine(name: str, /, *, width: float = 1.0) -> spaces.SearchSpace:
        seen.append((name, width))
        return spaces.get("spos-tiny")

    assert "mine" in spaces.available()
    spaces.get("mine", width=2)
    spaces.get("mine(width=2)")
    spaces.get("mine(width=1.0)")
    assert seen == [("mine(width=2)", 2), ("mine", 1.0)]
    with pytest.raises(ValueError, match="'mine' is registered already"):
        spaces.register_space("mine")(lambda name: spaces.get("spos-tiny"))


def test_a_factory_that_takes_no_name_is_refused_at_once() -> None:
    with pytest.raises(InvalidParameter, match=r"'nameless'.*def build\(name\)"):

        @spaces.register_space("nameless")
        def build() -> spaces.SearchSpace:
            raise AssertionError

    assert "nameless" not in spaces.available()
