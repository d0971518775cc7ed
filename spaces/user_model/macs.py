"""Count the multiply-accumulates of a run by torch's formulas and further ones."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch._ops import HigherOrderOperator
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten

Formula: TypeAlias = Callable[..., int]
"""Arguments of an operator, and its result as `out_val` -> its FLOPs, two for each MAC."""


class MacCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the MACs of the operators that torch executes.

    Formulas are those of `torch.utils.flop_counter`, also the ones that a user registers there, and
    those below. Unlike `FlopCounterMode` it follows no modules, since that needs the graphs of
    gradients, which views of parameters do not have here.

    Args:
        parameters: Learned numbers of the model.

    Example:
        >>> layer = nn.LSTM(3, 4)
        >>> counter = MacCounter(layer.parameters())
        >>> with torch.no_grad(), counter:
        ...     output, state = layer(torch.zeros(5, 1, 3))
        >>> counter.macs == 5 * (16 * 3 + 16 * 4)
        True
    """

    def __init__(self, parameters: Iterable[nn.Parameter]):
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self.unknown: dict[str, None] = {}
        # By storage: operators get views of parameters, such as transposed weights.
        self._storages = {_storage(value) for value in parameters} - {0}

    @property
    def macs(self) -> int:
        """Multiply-accumulates so far."""
        return self.flops // 2

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        operator = func if isinstance(func, HigherOrderOperator) else func._overloadpacket
        formula = _formula(operator)
        if formula is None and operator is not func and func.namespace != "prim":
            # Operators that are made of others are counted as these.
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result

        output = func(*args, **kwargs)
        if formula is not None:
            self.flops += formula(*args, **kwargs, out_val=output)
        elif operator is func or self._is_unknown(func, (args, kwargs)):
            self.unknown[str(operator)] = None

        return output

    def _is_unknown(self, func: Any, arguments: Any) -> bool:
        """Return whether an operator without a formula may multiply and accumulate."""
        if func.namespace in ("aten", "prim", "prims"):
            name = func._overloadpacket.__name__
            return bool(_PRODUCTS.search(name)) and name not in _ELEMENTWISE
        # Operators of other libraries: a product has weights.
        tensors = (value for value in tree_leaves(arguments) if isinstance(value, Tensor))
        return any(_storage(tensor) in self._storages for tensor in tensors)


def _storage(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        # Sparse and other tensors without a storage of their own.
        return 0


# Names of torch's products, of whatever runtime: mkldnn_linear, _sparse_mm, miopen_rnn, ...
_PRODUCTS = re.compile(
    r"(^|_)(\w*mm|\w*mv|conv\w*|linear|rnn|lstm|gru|matmul|attention|encoder)(_|\d|$)"
)

# What follows the products of a recurrent cell, which are counted.
_ELEMENTWISE = {"_thnn_fused_lstm_cell", "_thnn_fused_gru_cell"}


def _formula(operator: Any) -> Formula | None:
    """Return the formula of an operator, also of its variant that works in place."""
    if operator in flop_registry or operator in _FORMULAS:
        return flop_registry.get(operator) or _FORMULAS[operator]
    name = str(operator)
    if name.startswith("aten.") and name.endswith("_"):
        original = getattr(aten, name.removeprefix("aten.").rstrip("_"), None)
        return None if original is None else _formula(original)
    return None


def _matrix_vector(matrix: Tensor, vector: Tensor, **_: Any) -> int:
    return 2 * matrix.numel()


def _added_matrix_vector(bias: Tensor, matrix: Tensor, vector: Tensor, **_: Any) -> int:
    return 2 * matrix.numel()


def _dot(first: Tensor, second: Tensor, **_: Any) -> int:
    return 2 * first.numel()


def _outer(bias: Tensor, first: Tensor, second: Tensor, **_: Any) -> int:
    return 2 * first.numel() * second.numel()


def _added_products(bias: Tensor, first: Tensor, second: Tensor, **_: Any) -> int:
    return 2 * first.numel() * second.shape[-1]


def _bilinear(
    first: Tensor,
    weight: Tensor,
    second: Tensor,
    expand1: list[int],
    expand2: list[int],
    expand3: list[int],
    *_: Any,
    **__: Any,
) -> int:
    """Count the products of all three factors: n x outputs x inputs1 x inputs2 of `nn.Bilinear`."""
    shapes = []
    for tensor, expanded in ((first, expand1), (weight, expand2), (second, expand3)):
        sizes = iter(tensor.shape)
        dimensions = tensor.ndim + len(expanded)
        shapes.append([1 if index in expanded else next(sizes) for index in range(dimensions)])
    common: list[int] = [max(sizes) for sizes in zip(*shapes, strict=True)]
    return 2 * math.prod(common)


def _mkldnn_rnn_layer(
    features: Tensor, input_weight: Tensor, hidden_weight: Tensor, *_: Any, **__: Any
) -> int:
    return _recurrent(features, [input_weight, hidden_weight])


def _recurrent(features: Tensor, weights: Any, *_: Any, **__: Any) -> int:
    """Count each weight once for each step and sequence.

    Args:
        features: Tensor [steps, n, inputs] or [n, steps, inputs], or [all steps, inputs] where
            sequences have different lengths.
        weights: Weights of all layers and directions, and biases, which add no product.
    """
    steps = math.prod(features.shape[:-1])
    numbers: int = sum(weight.numel() for weight in weights if weight.ndim == 2)
    return 2 * steps * numbers


def _mps_lstm(features: Tensor, state: Any, weights: Any, *_: Any, **__: Any) -> int:
    return _recurrent(features, weights)


# torch's counter has no formulas of these. The kernel of LSTMs depends on device and type.
_FORMULAS: dict[Any, Formula] = {
    aten.mv: _matrix_vector,
    aten.addmv: _added_matrix_vector,
    aten.dot: _dot,
    aten.vdot: _dot,
    aten.addr: _outer,
    aten.addbmm: _added_products,
    aten._trilinear: _bilinear,
    aten._int_mm: flop_registry[aten.mm],
    aten._addmm_activation: flop_registry[aten.addmm],
    aten._scaled_dot_product_flash_attention_for_cpu: flop_registry[
        aten._scaled_dot_product_flash_attention
    ],
    aten.mkldnn_rnn_layer: _mkldnn_rnn_layer,
    aten._cudnn_rnn: _recurrent,
    aten.miopen_rnn: _recurrent,
    aten._lstm_mps: _mps_lstm,
}
