"""Networks of `compress.py`, as users write them: images of 16 pixels and ten classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from oneshot.training.recipe import Recipe

CLASSES = 10
SGD = Recipe(batch_size=128, learning_rate=0.1, weight_decay=5e-4, schedule="cosine", nesterov=True)
ADAMW = Recipe(
    batch_size=128,
    learning_rate=1e-3,
    weight_decay=0.05,
    schedule="cosine",
    optimizer="adamw",
    warmup=100,
)


@dataclass(frozen=True)
class Benchmarked:
    """A network with the recipe that trains it.

    Args:
        build: Builds the network.
        recipe: Recipe of its training; the epochs are those of the benchmark.
    """

    build: Callable[[], nn.Module]
    recipe: Recipe = SGD


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution with batch normalisation."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """The basic block of ResNet."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.first = convolution(inputs, outputs, stride=stride)
        self.second = convolution(outputs, outputs)
        changes = inputs != outputs or stride > 1
        self.shortcut = convolution(inputs, outputs, 1, stride) if changes else nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        features = self.second(functional.relu(self.first(x)))
        return functional.relu(features + self.shortcut(x))


class Inverted(nn.Module):
    """The block of MobileNetV2."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, ratio: int = 4):
        super().__init__()
        hidden = ratio * inputs
        self.expand = convolution(inputs, hidden, 1)
        self.depthwise = nn.Sequential(
            nn.Conv2d(hidden, hidden, 5, stride, 2, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
        )
        self.project = convolution(hidden, outputs, 1)
        self.adds = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.relu6(self.depthwise(functional.relu6(self.expand(x))))
        features: Tensor = self.project(hidden)
        return features + x if self.adds else features


class Classifier(nn.Module):
    """Blocks between a convolution and a linear layer.

    Args:
        block: Class of the blocks: (inputs, outputs, stride).
        widths: Channels of each stage, of two blocks each.
    """

    def __init__(self, block: Callable[..., nn.Module], widths: tuple[int, ...]):
        super().__init__()
        self.stem = convolution(3, widths[0])
        blocks = []
        inputs = widths[0]
        for stage, width in enumerate(widths):
            blocks += [block(inputs, width, 2 if stage else 1), block(width, width)]
            inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(inputs, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        features = self.blocks(functional.relu(self.stem(x)))
        result: Tensor = self.classifier(features.mean((2, 3)))
        return result


class DenseNet(nn.Module):
    """Two dense blocks with a pooling transition."""

    def __init__(self, growth: int = 16, layers: int = 5):
        super().__init__()
        width = 32
        self.stem = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.stages = nn.ModuleList()
        self.transitions = nn.ModuleList()
        for _ in range(2):
            stage = nn.ModuleList()
            for _ in range(layers):
                norm = nn.BatchNorm2d(width)
                convolve = nn.Conv2d(width, growth, 3, padding=1, bias=False)
                stage.append(nn.Sequential(norm, nn.ReLU(), convolve))
                width += growth
            self.stages.append(stage)
            self.transitions.append(convolution(width, width // 2, 1))
            width //= 2
        self.classifier = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        features = self.stem(x)
        for stage, transition in zip(self.stages, self.transitions, strict=True):
            for layer in stage:
                features = torch.cat([features, layer(features)], 1)
            features = functional.avg_pool2d(functional.relu(transition(features)), 2)
        result: Tensor = self.classifier(features.mean((2, 3)))
        return result


class Attention(nn.Module):
    """Multi-head attention."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.num_heads = heads
        self.head_dim = width // heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        parts = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, self.head_dim)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.project(mixed.transpose(1, 2).reshape(batch, tokens, -1))
        return result


class Encoder(nn.Module):
    """A layer of a transformer."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        hidden = 3 * width
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        result: Tensor = x + self.mlp(self.norm2(x))
        return result


class VisionTransformer(nn.Module):
    """A small ViT on patches of 2 pixels."""

    def __init__(self, width: int = 96, heads: int = 6, layers: int = 5):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 2, 2)
        self.positions = nn.Parameter(0.02 * torch.randn(1, 64, width))
        self.layers = nn.Sequential(*(Encoder(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        result: Tensor = self.classifier(self.norm(self.layers(tokens)).mean(1))
        return result


NETWORKS = {
    "resnet": Benchmarked(lambda: Classifier(Residual, (32, 64, 128))),
    "mobilenetv2": Benchmarked(lambda: Classifier(Inverted, (24, 48, 96))),
    "densenet": Benchmarked(DenseNet),
    "vit": Benchmarked(VisionTransformer, ADAMW),
}
"""Name -> network with its recipe."""
