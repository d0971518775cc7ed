"""Options read from signatures and docstrings, calls in text, and checks of values."""

from typing import Any

import pytest

from spaces.errors import InvalidParameter
from spaces.plugins.options import (
    REQUIRED,
    Option,
    argument_help,
    check_options,
    options_of,
    parse_call,
    summary_in_source,
    summary_of,
)


def evolve(space: str, rng: int = 0, *, table: str, population: int = 50) -> str:
    """Evolve a space
    by mutation.

    More words.

    Args:
        space: Space: the one to search.
        rng: Seed.
        table: Lookup table, which has
            two lines.
        population: Architectures in a generation.

    Raises:
        ValueError: Never.
    """
    return f"{space} {rng} {table} {population}"


def test_options_are_keyword_only_parameters_with_their_help() -> None:
    assert options_of(evolve) == {
        "table": Option("table", REQUIRED, "Lookup table, which has two lines."),
        "population": Option("population", 50, "Architectures in a generation."),
    }


def test_object_that_cannot_be_called_has_no_options() -> None:
    assert options_of(3) == {}


def test_argument_help_of_a_docstring_without_arguments_is_empty() -> None:
    assert argument_help("Evolve a space.") == {}


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("evolution", ("evolution", {})),
        ("predictor-loop()", ("predictor-loop", {})),
        ("a(b=[1, 'c'], d=None)", ("a", {"b": [1, "c"], "d": None})),
    ],
)
def test_call_is_split_into_name_and_options(text: str, parsed: Any) -> None:
    assert parse_call(text) == parsed


@pytest.mark.parametrize(
    "text", ["a(", "a(1)", "a(b=c.d)", "a(b=1, b=2)", "a(**{'b': 1})", "a(b=1)x"]
)
def test_call_that_is_not_of_literals_raises(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (the registry words the error)
        parse_call(text)


@pytest.mark.parametrize(
    ("default", "accepted", "refused"),
    [
        (1, [2, 0], [True, 1.5, "2", None]),
        (0.5, [1, 0.1], [False, "1", None]),
        (True, [False], [1, "yes"]),
        ("a", ["b"], [1, None]),
        ((1, 2), [[3], (4, 5), ()], [3, [1.5], [[1]], "12"]),
        ((), [["a", 1]], ["a"]),
        (None, [None, 2, 0.5], ["a", True]),
    ],
)
def test_values_must_be_of_the_kind_of_the_default(
    default: Any, accepted: list[Any], refused: list[Any]
) -> None:
    option = Option("option", default)
    assert [value for value in accepted if not option.accepts(value)] == []
    assert [value for value in refused if option.accepts(value)] == []


def test_required_option_accepts_any_value() -> None:
    assert Option("table", REQUIRED).accepts(object())


def test_check_names_the_option_and_the_value() -> None:
    accepted = {"population": Option("population", 50)}
    with pytest.raises(
        InvalidParameter, match=r"'populaton'.*population.*did you mean 'population'"
    ):
        check_options("evolution", {"populaton": 3}, accepted)
    with pytest.raises(InvalidParameter, match=r"population must be like 50 .int., not 'many'"):
        check_options("evolution", {"population": "many"}, accepted)


def test_summary_is_the_first_paragraph() -> None:
    assert summary_of(evolve.__doc__) == "Evolve a space by mutation."
    assert summary_of(None) == ""


def test_summary_in_source_reads_classes_functions_and_constants() -> None:
    assert summary_in_source("spaces.errors:InvalidBlock") != ""
    assert summary_in_source("profiler.backends.torch_eager:TorchEager.of") == summary_in_source(
        "profiler.backends.torch_eager:TorchEager"
    )
    assert "NASBENCH" not in summary_in_source("tables.benchmarks.entries:NASBENCH201")
    assert "15,625" in summary_in_source("tables.benchmarks.entries:NASBENCH201")


@pytest.mark.parametrize(
    "target", ["no_such.module:name", "no_such:name", "sys:path", "spaces.errors:NoSuch"]
)
def test_summary_in_source_that_does_not_exist_is_empty(target: str) -> None:
    assert summary_in_source(target) == ""
