"""Models that were not designed for search, and their spaces."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

import spaces
from spaces import InputChoice, LayerChoice, ModelSpace, Repeat, ValueChoice


class Residual(nn.Module):
    """A basic block of a ResNet with a choice of its first convolution; its ReLU is called
    twice.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, key: str | None = None):
        super().__init__()
        depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs)
        self.conv1 = LayerChoice(
            {
                "k3": nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
                "k5": nn.Conv2d(inputs, outputs, 5, stride, 2, bias=False),
                "separable": nn.Sequential(
                    depthwise, nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 1)
                ),
            },
            key=key,
        )
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.down = (
            nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else None
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.down is None else self.down(x)
        result: Tensor = self.relu(y)
        return result


class SmallResNet(nn.Module):
    """Three blocks, whose attribute `blocks` is the user's own."""

    def __init__(self, key: str | None = None) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU()
        )
        self.blocks = nn.ModuleList([Residual(4, 4, 1, key), Residual(4, 8, 2), Residual(8, 8, 1)])
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.head(x.mean((2, 3)))
        return result


class Strides(nn.Module):
    """The stride of each layer is a choice, so that costs depend on the choices before."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(
                LayerChoice([nn.Conv2d(3 if not i else 4, 4, 3, stride, 1) for stride in (1, 2)])
                for i in range(3)
            )
        )
        self.head = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.layers(x).mean((2, 3)))
        return result


class Skips(nn.Module):
    """Skip connections in NNI's manner."""

    def __init__(self, n_chosen: int | None, reduction: Any = "sum") -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3 if not i else 4, 4, 3, 1, 1) for i in range(3)])
        self.skip = InputChoice(n_candidates=3, n_chosen=n_chosen, reduction=reduction)
        self.after = LayerChoice([nn.LazyConv2d(4, 1), nn.MaxPool2d(3, 1, 1)])
        self.head = nn.LazyLinear(10)

    def forward(self, x: Tensor) -> Tensor:
        features = []
        for conv in self.convs:
            x = conv(x).relu()
            features.append(x)
        skip = self.skip(features)
        if skip is not None:
            x = self.after(skip)
        result: Tensor = self.head(x.mean((2, 3)))
        return result


class Attention(nn.Module):
    """Weights of its own, products outside modules, values read in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.position = nn.Parameter(torch.zeros(1, 16, 8))
        self.qkv = nn.Linear(8, 24)
        self.heads = ValueChoice([1, 2, 4])
        self.rate = ValueChoice([0.0, 0.3])
        self.mix = LayerChoice(
            {"linear": nn.Linear(8, 8), "mlp": nn.Sequential(nn.Linear(8, 32), nn.Linear(32, 8))}
        )
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2) + self.position
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads(), -1)).permute(2, 0, 3, 1, 4)
        x = x + functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = functional.dropout(x + self.mix(x), self.rate(), self.training)
        result: Tensor = self.head(x.mean(1))
        return result


class Deep(nn.Module):
    """A depth, and choices in what is repeated."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.stage = Repeat(lambda index: Residual(4, 4, 1), (1, 3))
        self.head = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.stage(self.stem(x)).mean((2, 3)))
        return result


def nested() -> nn.Module:
    """A choice inside a candidate of another, in a Sequential."""
    inner = LayerChoice([nn.Conv2d(4, 4, 3, 1, 1), nn.Conv2d(4, 4, 5, 1, 2)], key="inner")
    outer = LayerChoice(
        {
            "pool": nn.MaxPool2d(3, 1, 1),
            "conv": nn.Sequential(nn.ReLU(), inner),
            "skip": nn.Identity(),
        }
    )
    tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)]
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 1, 1), outer, LayerChoice([nn.ReLU(), nn.Tanh()]), *tail
    )


def shared() -> nn.Module:
    """Two layers that share their decision."""
    layers = [
        LayerChoice([nn.Conv2d(3, 3, size, 1, size // 2) for size in (1, 3)], key="kernel")
        for _ in range(2)
    ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(3 * 16 * 16, 10))


def lazily(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """Run the model once, so that its lazy layers have shapes."""

    def initialised() -> nn.Module:
        model = make()
        for module in model.modules():
            if isinstance(module, LayerChoice | InputChoice):
                module.activate(len(module.choice.candidates) - 1)
        model(EXAMPLE)
        for module in model.modules():
            if (
                isinstance(module, nn.modules.lazy.LazyModuleMixin)
                and module.has_uninitialized_params()
            ):
                module(torch.zeros(1, 4, 16, 16))
        return model

    return initialised


EXAMPLE = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


MODELS: dict[str, Callable[[], nn.Module]] = {
    "resnet": SmallResNet,
    "strides": Strides,
    "skips-1": lazily(lambda: Skips(1)),
    "skips-2": lazily(lambda: Skips(2, "mean")),
    "skips-any": lazily(lambda: Skips(None)),
    "attention": Attention,
    "deep": Deep,
    "nested": nested,
    "shared": shared,
}


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


@functools.cache
def space_of(name: str) -> ModelSpace:
    return spaces.from_model(seeded(MODELS[name]), EXAMPLE)


def plain_attention() -> Any:
    """FlopCounterMode does not see the fused kernel of processors."""
    return sdpa_kernel(SDPBackend.MATH)
