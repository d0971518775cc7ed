"""Refusal of overrides that NNI would call and Pathfit does not."""

from __future__ import annotations

from collections.abc import Iterable

from oneshot.errors import InvalidOption


def refuse_overrides(subclass: type, names: Iterable[str], alternative: str) -> None:
    """Check that a class defines none of NNI's internal steps, which would have no effect.

    Args:
        subclass: Class that a user derived.
        names: Names of the internal steps.
        alternative: What the user can do instead, as an imperative sentence.

    Raises:
        InvalidOption: The class defines one of them.
    """
    for name in names:
        if name in subclass.__dict__:
            raise InvalidOption(
                f"{subclass.__name__}: overriding {name} has no effect in Pathfit; {alternative}"
            )
