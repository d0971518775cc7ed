"""Checks of the options of heads."""

from __future__ import annotations

from collections.abc import Sequence

from spaces.errors import InvalidParameter


def check_numbers(head: str, **options: Sequence[float]) -> None:
    """Check options that hold positive numbers, without duplicates where they are choices.

    Args:
        head: Name of the head, for the error.
        options: Option -> numbers. `kernels` must be odd, and may not be empty, nor may `widths`.

    Raises:
        InvalidParameter: A number is not accepted.
    """
    for name, numbers in options.items():
        if any(number <= 0 for number in numbers):
            raise InvalidParameter(f"{head}: {name} must be positive, not {tuple(numbers)}")

        # Candidates of a choice.
        if name in ("kernels", "widths") and (not numbers or len(set(numbers)) < len(numbers)):
            raise InvalidParameter(
                f"{head}: {name} needs different numbers, at least one, not {tuple(numbers)}"
            )
        if name == "kernels" and any(number % 2 == 0 for number in numbers):
            raise InvalidParameter(f"{head}: kernels must be odd, not {tuple(numbers)}")


def select_strides(
    head: str, requested: Sequence[int], available: Sequence[int], default: int
) -> tuple[int, ...]:
    """Return the strides whose features a head reads, in ascending order.

    Args:
        head: Name of the head, for the error.
        requested: Strides of the option `taps`; empty: the last ones.
        available: Strides of the backbone, in ascending order.
        default: Number of the last strides that are read where none is requested.

    Raises:
        InvalidParameter: The backbone lacks a requested stride, or has too few.

    Example:
        >>> select_strides("ssdlite", (), (2, 4, 8, 16), 2)
        (8, 16)
    """
    missing = [stride for stride in requested if stride not in available]
    if missing:
        raise InvalidParameter(
            f"{head}: taps has the stride {missing[0]}; the backbone has"
            f" {', '.join(map(str, available))}"
        )
    if len(set(requested)) < len(requested):
        raise InvalidParameter(f"{head}: taps has a stride twice: {tuple(requested)}")
    if not requested and len(available) < default:
        raise InvalidParameter(
            f"{head}: needs a backbone with at least {default} strides; this one has"
            f" {', '.join(map(str, available))}"
        )

    return tuple(sorted(requested)) or tuple(available[-default:])
