"""Layers whose sizes follow from ValueChoices; all sizes share the weights of the largest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn

from spaces.errors import InvalidParameter
from spaces.modules.derived_value import DerivedValue, Undecided, outcomes
from spaces.modules.elastic import ElasticBatchNorm
from spaces.modules.value_choice import ValueChoice

Size: TypeAlias = int | ValueChoice | DerivedValue
"""A number, or the choices that decide it."""


class SizedLayer(nn.Module):
    """A layer that runs with the first of its weights, as many as its sizes select.

    `settle` makes the present sizes permanent, as freezing a model does. A subclass calls
    `_hold_sizes` in its constructor and implements `active_weights` and `_settle`.
    """

    sizes: nn.ModuleDict

    def _hold_sizes(self, sizes: Mapping[str, Size]) -> None:
        """Register the sizes that are decided later, and remember the others."""
        # Submodules, so that a model registers the choices that the sizes follow from.
        self.sizes = nn.ModuleDict(
            {name: size for name, size in sizes.items() if isinstance(size, nn.Module)}
        )
        self._constants = {
            name: int(size) for name, size in sizes.items() if not isinstance(size, nn.Module)
        }

    def size(self, name: str) -> int:
        """Return a size by the present decisions.

        Raises:
            InvalidParameter: A mutator weights the candidates rather than deciding for one.
        """
        if name not in self.sizes:
            return self._constants[name]

        value = self.sizes[name]()
        if isinstance(value, Tensor):
            raise InvalidParameter(
                f"{name} of a {type(self).__name__}: a size needs one decision, so that algorithms"
                " which mix all candidates cannot search it; train by spos"
            )
        return int(value)

    def active_weights(self) -> dict[str, Tensor]:
        """Return the parts of parameters and statistics that run, by name, as views."""
        raise NotImplementedError

    def settle(self) -> None:
        """Keep the weights of the present sizes only, and make the sizes numbers."""
        # Copied, since views would keep the memory of the largest sizes.
        active = {name: value.detach().clone() for name, value in self.active_weights().items()}
        decided = {name: self.size(name) for name in self.sizes}
        self.sizes = nn.ModuleDict()
        self._constants |= decided

        for name, value in active.items():
            if name in self._buffers:
                self._buffers[name] = value
            else:
                trains = self.get_parameter(name).requires_grad
                setattr(self, name, nn.Parameter(value, requires_grad=trains))

        self._settle()

    def _settle(self) -> None:
        """Set the attributes of torch's layer to the settled sizes."""
        raise NotImplementedError


def largest(owner: str, sizes: Mapping[str, Size], least: Mapping[str, int]) -> dict[str, int]:
    """Return the greatest value of each size over all decisions.

    Args:
        owner: Name of the layer, for errors.
        sizes: Name -> size.
        least: Name -> least value that is accepted.

    Raises:
        InvalidParameter: A size is no whole number, or too small, with some decisions.
    """
    for combination in outcomes(sizes):
        for name, value in combination.items():
            # Ratios make floats, which are sizes where they are whole.
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or value != int(value) or value < least[name]:
                raise InvalidParameter(
                    f"{owner}: {name} must be a whole number of at least {least[name]} with all"
                    f" decisions, not {value!r}"
                )

    return {
        name: int(max(combination[name] for combination in outcomes({name: size})))
        for name, size in sizes.items()
    }


class Conv2d(SizedLayer, nn.Conv2d):
    """`torch.nn.Conv2d` whose sizes may be ValueChoices or values derived from them.

    Fewer channels are the first ones, and a smaller kernel is the centre of the largest.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the kernel.
        stride: Stride.
        padding: Zeros around the input, such as `kernel // 2`.
        dilation: Distance of the kernel's elements.
        groups: 1, or the number of channels of input and output (depthwise).
        bias: Whether a bias is added.

    Raises:
        InvalidParameter: A size is no positive whole number with some decisions, or groups are
            neither 1 nor the channels.

    Example:
        >>> from spaces import ValueChoice
        >>> base, ratio = ValueChoice([8, 16], key="base"), ValueChoice([1, 2], key="ratio")
        >>> conv = Conv2d(3, ratio * base, 3, padding=1)
        >>> base.activate("8"), ratio.activate("2")
        (None, None)
        >>> conv(torch.zeros(1, 3, 4, 4)).shape
        torch.Size([1, 16, 4, 4])
    """

    def __init__(
        self,
        in_channels: Size,
        out_channels: Size,
        kernel_size: Size,
        stride: int = 1,
        padding: Size = 0,
        dilation: int = 1,
        groups: Size = 1,
        bias: bool = True,
    ):
        sizes: dict[str, Size] = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "kernel_size": kernel_size,
            "padding": padding,
            "groups": groups,
        }
        greatest = largest("Conv2d", sizes, {**dict.fromkeys(sizes, 1), "padding": 0})
        _check_groups(sizes)

        super().__init__(
            greatest["in_channels"],
            greatest["out_channels"],
            greatest["kernel_size"],
            stride,
            greatest["padding"],
            dilation,
            greatest["groups"],
            bias,
        )

        self._hold_sizes(sizes)

    def active_weights(self) -> dict[str, Tensor]:
        outputs = self.size("out_channels")
        kernel = self.size("kernel_size")
        per_group = self.size("in_channels") // self.size("groups")

        # The centre, as in Once-for-All without its transformation.
        first = (self.weight.shape[-1] - kernel) // 2
        window = slice(first, first + kernel)
        weights = {"weight": self.weight[:outputs, :per_group, window, window]}
        return weights if self.bias is None else {**weights, "bias": self.bias[:outputs]}

    def forward(self, x: Tensor) -> Tensor:
        weights = self.active_weights()
        return nn.functional.conv2d(
            x,
            weights["weight"],
            weights.get("bias"),
            self.stride,
            self.size("padding"),
            self.dilation,
            self.size("groups"),
        )

    def _settle(self) -> None:
        self.in_channels = self.size("in_channels")
        self.out_channels = self.size("out_channels")
        self.kernel_size = (self.size("kernel_size"),) * 2
        self.padding = (self.size("padding"),) * 2
        self.groups = self.size("groups")


def _check_groups(sizes: Mapping[str, Size]) -> None:
    for combination in outcomes(
        {name: sizes[name] for name in ("in_channels", "out_channels", "groups")}
    ):
        groups = combination["groups"]
        is_constant = not any(isinstance(size, Undecided) for size in sizes.values())
        is_depthwise = groups == combination["in_channels"] == combination["out_channels"]
        # The first channels of a layer of several groups are those of its first groups only.
        if groups != 1 and not is_depthwise and not is_constant:
            raise InvalidParameter(
                "Conv2d: groups of a layer whose sizes are decided later must be 1 or the channels"
                f" of input and output, not {groups} with {combination['in_channels']} and"
                f" {combination['out_channels']}"
            )


class Linear(SizedLayer, nn.Linear):
    """`torch.nn.Linear` whose sizes may be ValueChoices or values derived from them.

    Args:
        in_features: Numbers of the input.
        out_features: Numbers of the output.
        bias: Whether a bias is added.

    Raises:
        InvalidParameter: A size is no positive whole number with some decisions.

    Example:
        >>> from spaces import ValueChoice
        >>> width = ValueChoice([8, 16], key="width")
        >>> layer = Linear(4, width // 2)
        >>> width.activate("16")
        >>> layer(torch.zeros(1, 4)).shape
        torch.Size([1, 8])
    """

    def __init__(self, in_features: Size, out_features: Size, bias: bool = True):
        sizes = {"in_features": in_features, "out_features": out_features}
        greatest = largest("Linear", sizes, dict.fromkeys(sizes, 1))
        super().__init__(greatest["in_features"], greatest["out_features"], bias)
        self._hold_sizes(sizes)

    def active_weights(self) -> dict[str, Tensor]:
        outputs = self.size("out_features")
        weights = {"weight": self.weight[:outputs, : self.size("in_features")]}
        return weights if self.bias is None else {**weights, "bias": self.bias[:outputs]}

    def forward(self, input: Tensor) -> Tensor:
        weights = self.active_weights()
        return nn.functional.linear(input, weights["weight"], weights.get("bias"))

    def _settle(self) -> None:
        self.in_features = self.size("in_features")
        self.out_features = self.size("out_features")


class BatchNorm2d(SizedLayer, ElasticBatchNorm):
    """`torch.nn.BatchNorm2d` whose channels may be a ValueChoice or a value derived from it.

    All widths share statistics, so that those of a supernet fit none: networks need their own.

    Args:
        num_features: Channels.
        affine: Whether it learns scale and shift.

    Raises:
        InvalidParameter: The number of channels is no positive whole number with some decisions.

    Example:
        >>> from spaces import ValueChoice
        >>> width = ValueChoice([8, 16], key="width")
        >>> norm = BatchNorm2d(width)
        >>> width.activate("8")
        >>> norm(torch.zeros(2, 8, 4, 4)).shape
        torch.Size([2, 8, 4, 4])
    """

    def __init__(self, num_features: Size, affine: bool = True):
        sizes = {"num_features": num_features}
        greatest = largest("BatchNorm2d", sizes, {"num_features": 1})
        super().__init__(greatest["num_features"], affine)
        self._hold_sizes(sizes)

    def active_weights(self) -> dict[str, Tensor]:
        channels = self.size("num_features")
        names = ("weight", "bias", "running_mean", "running_var")
        tensors = {name: getattr(self, name) for name in names}
        return {name: value[:channels] for name, value in tensors.items() if value is not None}

    def _settle(self) -> None:
        self.num_features = self.size("num_features")


def active_counts(model: nn.Module) -> dict[int, int]:
    """Return how many numbers of a parameter run, by its id, for the sized layers of a model."""
    counts: dict[int, int] = {}
    for module in model.modules():
        if isinstance(module, SizedLayer):
            active = module.active_weights()
            for name, parameter in module.named_parameters(recurse=False):
                counts[id(parameter)] = active[name].numel()
    return counts


def settle(module: nn.Module) -> None:
    """Settle the sizes of a module, if it is a sized layer, without recording gradients."""
    if isinstance(module, SizedLayer):
        with torch.no_grad():
            module.settle()
