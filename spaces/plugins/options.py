"""Options of a registry's entries: read from signatures, docstrings and calls written as text."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import Any

from spaces.errors import InvalidParameter, PathfitError, near_miss

REQUIRED = inspect.Parameter.empty
"""The default of an option that has none."""


@dataclass(frozen=True)
class Option:
    """One keyword of a factory.

    Args:
        name: Keyword.
        default: Value that is used when the keyword is omitted, or REQUIRED.
        help: Description in the factory's docstring; empty where it has none.
    """

    name: str
    default: Any
    help: str = ""

    @property
    def example(self) -> str:
        """The default with its type, for messages, such as "224 (int)"."""
        if self.default is None:
            return "a number or None"
        return f"{self.default!r} ({type(self.default).__name__})"

    def accepts(self, value: Any) -> bool:
        """Return whether a value is of the default's kind.

        Whole numbers are accepted for floats, lists for tuples, and numbers or None for a default
        of None. Truth values are never numbers.
        """
        return self.default is REQUIRED or _is_like(value, self.default)


def _is_like(value: Any, default: Any) -> bool:
    # bool is a subclass of int, so that it needs its own branch before the numbers.
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if default is None:
        return value is None or isinstance(value, int | float)
    if isinstance(default, float):
        return isinstance(value, int | float)
    if isinstance(default, tuple | list):
        is_sequence = isinstance(value, tuple | list)
        return is_sequence and all(_is_like(item, default[0]) for item in value if default)

    return isinstance(value, type(default))


def options_of(factory: Any) -> dict[str, Option]:
    """Return the keyword-only parameters of a factory: name -> option, in the signature's order.

    Example:
        >>> def evolve(space, *, population: int = 50):
        ...     '''Evolve a space.
        ...
        ...     Args:
        ...         population: Architectures in a generation.
        ...     '''
        >>> options_of(evolve)
        {'population': Option(name='population', default=50, help='Architectures in a generation.')}
    """
    if not callable(factory):
        return {}

    descriptions = argument_help(inspect.getdoc(factory) or "")
    return {
        parameter.name: Option(
            parameter.name, parameter.default, descriptions.get(parameter.name, "")
        )
        for parameter in inspect.signature(factory).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def argument_help(docstring: str) -> dict[str, str]:
    """Return the descriptions of a docstring's `Args:` section by argument."""
    _, _, section = docstring.partition("\nArgs:\n")

    # The next heading, such as "Raises:", is indented less than the arguments.
    lines = takewhile(lambda line: not line or line[0].isspace(), section.splitlines())
    descriptions: dict[str, str] = {}
    name = ""
    for line in textwrap.dedent("\n".join(lines)).splitlines():
        argument = re.fullmatch(r"\*{0,2}(\w+): (.+)", line)
        if argument is not None:
            name = argument[1]
            descriptions[name] = argument[2]
        elif line.strip() and name:
            descriptions[name] += f" {line.strip()}"

    return descriptions


def parse_call(text: str) -> tuple[str, dict[str, Any]]:
    """Split a name with options, such as `spos(input_size=160)`.

    Example:
        >>> parse_call("evolution(population=20)")
        ('evolution', {'population': 20})
        >>> parse_call("spos(head=ssdlite(taps=(8, 16)))")
        ('spos', {'head': 'ssdlite(taps=(8, 16))'})

    Raises:
        ValueError: The options are not literals or names by keyword.
    """
    if "(" not in text:
        return text, {}

    name, _, arguments = text.partition("(")
    try:
        # The name may have characters that Python's names lack, so that a stand-in is parsed.
        call = ast.parse(f"f({arguments}", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError(text)
        options = {keyword.arg: _value(keyword.value) for keyword in call.keywords if keyword.arg}
    except (SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(text) from error

    # Fewer options than keywords: one occurs twice, or is a `**mapping`.
    if len(options) < len(call.keywords):
        raise ValueError(text)
    return name, options


def _value(node: ast.expr) -> Any:
    """Return the value of a literal; a bare name, with options or without, is text."""
    # `head=ssdlite(taps=(8, 16))` spares the quotes, which shells would need twice.
    if isinstance(node, ast.Name) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ):
        return ast.unparse(node)
    return ast.literal_eval(node)


def check_options(
    owner: str,
    values: Mapping[str, Any],
    accepted: Mapping[str, Option],
    error: type[PathfitError] = InvalidParameter,
) -> None:
    """Check the names and kinds of options.

    Args:
        owner: Name for messages, such as "evolution".
        values: Option -> value.
        accepted: Options that the owner has.
        error: Class to raise, for the first option that is unknown or of another kind.
    """
    for key, value in values.items():
        if key not in accepted:
            names = ", ".join(accepted) or "none"
            raise error(f"{owner} has no option {key!r}; it has: {names}{near_miss(key, accepted)}")
        if not accepted[key].accepts(value):
            raise error(f"{owner}: {key} must be like {accepted[key].example}, not {value!r}")


def summary_of(docstring: str | None) -> str:
    """Return the first paragraph of a docstring in one line."""
    paragraph, _, _ = inspect.cleandoc(docstring or "").partition("\n\n")
    return " ".join(paragraph.split())


def summary_in_source(target: str) -> str:
    """Return the summary of "module:attribute" without importing the module.

    Reading the source is quick, and works where the module needs packages that are not installed.
    """
    from importlib.util import find_spec

    module_name, _, attribute = target.partition(":")
    try:
        spec = find_spec(module_name)
    except ImportError:  # The package around the module does not exist, or is broken.
        return ""
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return ""

    # Of a class method, as in "module:TorchEager.of", the class has the better description.
    name = attribute.partition(".")[0]
    body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
    for statement, successor in zip_longest(body, body[1:]):
        if _name_of(statement) == name:
            return summary_of(_docstring(statement, successor))
    return ""


def _name_of(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.ClassDef | ast.FunctionDef):
        return statement.name
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return None


def _docstring(statement: ast.stmt, successor: ast.stmt | None) -> str | None:
    if isinstance(statement, ast.ClassDef | ast.FunctionDef):
        return ast.get_docstring(statement)
    # The text below an assignment documents it.
    if isinstance(successor, ast.Expr) and isinstance(successor.value, ast.Constant):
        return str(successor.value.value)
    return None
