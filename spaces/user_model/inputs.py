"""Inputs of a user's model: one tensor, or several in tuples, lists and dictionaries."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from spaces.errors import InvalidParameter
from spaces.modules.nested import mapped, tensors_in


class Passing(Enum):
    """How the forward method of a model takes its inputs."""

    WHOLE = "whole"
    """As one argument."""

    POSITIONS = "positions"
    """A tuple or list, each item as a positional argument."""

    KEYWORDS = "keywords"
    """A dictionary, each item as a keyword argument."""


@dataclass(frozen=True)
class ModelInput:
    """Inputs of one run of a model, and how the model takes them.

    Args:
        value: Tensor, or nested tuples, lists and dictionaries of tensors, each [1, ...]; other
            values in them are constants.
        passing: How the model takes the value.
        names: Name of each tensor, in order.
    """

    value: Any
    passing: Passing
    names: tuple[str, ...]

    @classmethod
    def from_example(cls, model: nn.Module, example: Any) -> ModelInput:
        """Return the first element of an example batch.

        A tuple becomes positional arguments, and a dictionary keyword arguments, where the model's
        forward method accepts them; otherwise they are its only argument.

        Args:
            model: Model that takes the example.
            example: Tensor, or nested tuples, lists and dictionaries of tensors, each [n, ...].

        Raises:
            InvalidParameter: There is no tensor with a batch, or the batches differ in size.
        """
        # Mappings of libraries, such as tokenisers' batches, are no dictionaries.
        if isinstance(example, Mapping) and not isinstance(example, dict):
            example = dict(example)

        passing = _passing(model, example)
        named = list(_named(example, _names(model, example, passing)))
        if not named or not all(tensor.ndim and len(tensor) for _, tensor in named):
            raise InvalidParameter(
                "example_input must be a tensor with at least one image, [n, ...], or a tuple or"
                " dictionary of such tensors"
            )

        name, tensor = named[0]
        for other_name, other in named[1:]:
            if len(other) != len(tensor):
                raise InvalidParameter(
                    f"example_input: the tensors are batches of one size, [n, ...]; {name} has"
                    f" {len(tensor)} elements and {other_name} has {len(other)}"
                )

        first = mapped(example, lambda tensor: tensor[:1].detach().clone())

        return cls(first, passing, tuple(name for name, _ in named))

    @property
    def tensors(self) -> list[Tensor]:
        """Tensors of the value, in the order of their names."""
        return list(tensors_in(self.value))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name of each tensor -> shape without the dimension of the batch."""
        return {
            name: tuple(tensor.shape[1:])
            for name, tensor in zip(self.names, self.tensors, strict=True)
        }

    def random(self, batch: int, generator: torch.Generator) -> Any:
        """Return random inputs of the same structure, [batch, ...] each.

        Args:
            batch: Batch size.
            generator: Random generator.
        """
        is_single = isinstance(self.value, Tensor)
        return mapped(
            self.value, lambda tensor: _random(tensor, batch, generator, may_mask=not is_single)
        )

    def run(self, model: nn.Module, value: Any) -> Any:
        """Run a model on inputs of this structure."""
        return run_model(model, self.passing, value)


def run_model(model: nn.Module, passing: Passing, *inputs: Any, **options: Any) -> Any:
    """Run a model on inputs in the structure of its example, or on separate arguments.

    Args:
        model: Model to run.
        passing: How the model takes a structure.
        inputs: The structure alone, or the positional arguments of the model.
        options: Keyword arguments of the model.
    """
    if len(inputs) == 1 and not options:
        (value,) = inputs
        if passing is Passing.POSITIONS and isinstance(value, tuple | list):
            return model(*value)
        if passing is Passing.KEYWORDS and isinstance(value, Mapping):
            return model(**value)

    return model(*inputs, **options)


def _passing(model: nn.Module, example: Any) -> Passing:
    signature = inspect.signature(model.forward)
    try:
        if isinstance(example, dict):
            signature.bind(**example)
            return Passing.KEYWORDS
        if isinstance(example, tuple | list):
            signature.bind(*example)
            return Passing.POSITIONS
    except TypeError:
        # The model takes the structure itself, as `forward(self, batch)` does.
        return Passing.WHOLE

    return Passing.WHOLE


def _names(model: nn.Module, example: Any, passing: Passing) -> str | list[str]:
    """Return the name of a single tensor, or the names of the items of a structure."""
    if isinstance(example, Tensor):
        return "image"
    if passing is not Passing.POSITIONS:
        return ""

    arguments = inspect.signature(model.forward).bind(*example).arguments
    names: list[str] = []
    for name, argument in arguments.items():
        parameter = inspect.signature(model.forward).parameters[name]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            names.extend(f"{name}_{index}" for index in range(len(argument)))
        else:
            names.append(name)

    return names


def _named(value: Any, names: str | list[str]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a structure with their names: `tokens`, or `pair_0` for nested ones."""
    if isinstance(value, Tensor):
        yield (names if isinstance(names, str) and names else "input"), value
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            name = names[index] if isinstance(names, list) else f"{names or 'input'}_{index}"
            yield from _named(item, name)
    elif isinstance(value, dict):
        prefix = f"{names}_" if isinstance(names, str) and names else ""
        for key, item in value.items():
            yield from _named(item, f"{prefix}{key}")


def _random(tensor: Tensor, batch: int, generator: torch.Generator, may_mask: bool) -> Tensor:
    # A random mask could hide all of an input, from which attention makes NaN.
    if may_mask and _is_mask(tensor):
        return tensor.expand(batch, *tensor.shape[1:]).clone()

    shape = (batch, *tensor.shape[1:])
    if tensor.is_floating_point():
        return torch.randn(shape, generator=generator)

    # Drawn from the example's values: any other integer may be no index of an embedding.
    values = tensor.flatten()
    return values[torch.randint(len(values), shape, generator=generator)]


def _is_mask(tensor: Tensor) -> bool:
    if tensor.dtype == torch.bool or not tensor.isfinite().all():
        return True
    # Zeros alone are the usual example of an image.
    return bool(((tensor == 0) | (tensor == 1)).all() and (tensor == 1).any())
