"""Networks as users write them, each with another kind of coupled channels."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional

from spaces.elastic import ElasticSpace, from_network
from spaces.heads import BoxGeometry, Level


def convolution(inputs: int, outputs: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution with batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Residual(nn.Module):
    """The basic block of ResNet."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.first = convolution(inputs, outputs, stride)
        self.second = nn.Sequential(*convolution(outputs, outputs)[:2])
        self.shortcut = nn.Sequential()
        if inputs != outputs or stride > 1:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.second(self.first(x)) + self.shortcut(x))


class ResNet(nn.Module):
    """Two stages of two residual blocks."""

    def __init__(self, widths: tuple[int, ...] = (16, 32), classes: int = 5, channels: int = 3):
        super().__init__()
        self.stem = convolution(channels, widths[0])
        blocks: list[nn.Module] = []
        inputs = widths[0]
        for stage, width in enumerate(widths):
            blocks += [Residual(inputs, width, 1 if stage == 0 else 2), Residual(width, width)]
            inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        features = self.blocks(self.stem(x)).mean((2, 3))
        result: Tensor = self.classifier(features)
        return result


class DenseNet(nn.Module):
    """Each layer reads all earlier ones, concatenated."""

    def __init__(self, growth: int = 8, layers: int = 3, classes: int = 5):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.layers = nn.ModuleList()
        width = 16
        for _ in range(layers):
            self.layers.append(
                nn.Sequential(
                    nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, growth, 3, padding=1)
                )
            )
            width += growth
        self.norm = nn.BatchNorm2d(width)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        features = self.stem(x)
        for layer in self.layers:
            features = torch.cat([features, layer(features)], 1)
        result: Tensor = self.classifier(functional.relu(self.norm(features)).mean((2, 3)))
        return result


class UNet(nn.Module):
    """A segmenter with a transposed convolution and a concatenation."""

    def __init__(self, width: int = 16, classes: int = 4):
        super().__init__()
        self.down = convolution(3, width)
        self.bottom = convolution(width, 2 * width, stride=2)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.merge = convolution(2 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down(x)
        merged = self.merge(torch.cat([self.up(self.bottom(skip)), skip], 1))
        result: Tensor = self.head(merged)
        return result


class MedicalUNet(nn.Module):
    """A segmenter with a residual and a concatenation of activated features.

    Behind instance normalisations the activations work in place; others share one slope.
    """

    def __init__(self, width: int = 16, classes: int = 4):
        super().__init__()
        self.down = self.normalised(3, width)
        self.bottom = self.normalised(width, width, stride=2)
        self.refined = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.PReLU())
        self.up = nn.Sequential(nn.ConvTranspose2d(width, width, 2, 2), nn.PReLU())
        self.head = nn.Conv2d(2 * width, classes, 1)

    @staticmethod
    def normalised(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1),
            nn.InstanceNorm2d(outputs, affine=True),
            nn.LeakyReLU(0.1, inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down(x)
        deep = self.bottom(skip)
        deep = deep + self.refined(deep)
        result: Tensor = self.head(torch.cat([skip, self.up(deep)], 1))
        return result


class Detector(nn.Module):
    """A detector of objects in images of 32 pixels, with an anchor in each of 4 x 4 cells."""

    geometry = BoxGeometry((32, 32), (Level(8, 4, 4, ((12.0, 12.0),)),), background=True)

    def __init__(self, classes: int = 3):
        super().__init__()
        self.backbone = nn.Sequential(
            convolution(3, 16, 2), convolution(16, 24, 2), convolution(24, 32, 2)
        )
        self.scores = nn.Conv2d(32, 1 + classes, 1)
        self.offsets = nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.backbone(x)
        return {
            "scores": self.scores(features).flatten(2).transpose(1, 2),
            "offsets": self.offsets(features).flatten(2).transpose(1, 2),
        }


class SqueezeExcitation(nn.Module):
    """Channels are scaled by what their means say."""

    def __init__(self, width: int):
        super().__init__()
        self.reduce = nn.Conv2d(width, width // 2, 1)
        self.expand = nn.Conv2d(width // 2, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = functional.adaptive_avg_pool2d(x, 1)
        return x * self.expand(functional.relu(self.reduce(means))).sigmoid()


class InvertedResidual(nn.Module):
    """The block of MobileNetV3: a depthwise convolution between two pointwise ones."""

    def __init__(self, width: int, hidden: int, kernel: int):
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(width, hidden, 1, bias=False), nn.BatchNorm2d(hidden))
        self.depthwise = nn.Sequential(
            nn.Conv2d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
        )
        self.scale = SqueezeExcitation(hidden)
        self.project = nn.Sequential(nn.Conv2d(hidden, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.hardswish(self.expand(x))
        hidden = functional.hardswish(self.depthwise(hidden))
        result: Tensor = x + self.project(self.scale(hidden))
        return result


class MobileNet(nn.Module):
    """Two inverted residuals with kernels of 5 and 7 pixels."""

    def __init__(self, classes: int = 5):
        super().__init__()
        self.stem = convolution(3, 16, stride=2)
        self.blocks = nn.Sequential(InvertedResidual(16, 48, 5), InvertedResidual(16, 32, 7))
        self.classifier = nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.classifier(self.blocks(self.stem(x)).mean((2, 3)))
        return result


class Grouped(nn.Module):
    """Grouped convolutions, and GroupNorm with its statistics over groups of channels."""

    def __init__(self, classes: int = 5):
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3, padding=1)
        self.norm = nn.GroupNorm(4, 32)
        self.grouped = nn.Conv2d(32, 32, 3, padding=1, groups=4)
        self.last = nn.Conv2d(32, 16, 1)
        self.classifier = nn.Linear(16 * 4, classes)

    def forward(self, x: Tensor) -> Tensor:
        features = functional.relu(self.norm(self.first(x)))
        features = functional.relu(self.grouped(features))
        pooled = functional.adaptive_avg_pool2d(functional.relu(self.last(features)), 2)
        # Each channel is four inputs of the classifier.
        result: Tensor = self.classifier(pooled.flatten(1))
        return result


class Attention(nn.Module):
    """Multi-head attention with one layer for queries, keys and values each."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.num_heads = heads
        self.head_size = width // heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape

        def split(features: Tensor) -> Tensor:
            return features.view(batch, tokens, self.num_heads, self.head_size).transpose(1, 2)

        scores = split(self.query(x)) @ split(self.key(x)).transpose(2, 3)
        mixed = (scores / self.head_size**0.5).softmax(-1) @ split(self.value(x))
        result: Tensor = self.project(mixed.transpose(1, 2).reshape(batch, tokens, -1))
        return result


class FusedAttention(nn.Module):
    """Multi-head attention with one layer for queries, keys and values together."""

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
    """A layer of a transformer, normalised before attention and MLP."""

    def __init__(self, width: int, heads: int, fused: bool):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = (FusedAttention if fused else Attention)(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        result: Tensor = x + self.mlp(self.norm2(x))
        return result


class VisionTransformer(nn.Module):
    """A small ViT with a class token and learned positions."""

    def __init__(self, width: int = 32, heads: int = 4, fused: bool = False, classes: int = 5):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 17, width))
        self.layers = nn.Sequential(*(Encoder(width, heads, fused) for _ in range(2)))
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1) + self.positions
        result: Tensor = self.classifier(self.norm(self.layers(tokens))[:, 0])
        return result


class TorchTransformer(nn.Module):
    """Torch's own layers of a transformer."""

    def __init__(self, width: int = 32, classes: int = 5):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        result: Tensor = self.classifier(self.encoder(tokens).mean(1))
        return result


class Shared(nn.Module):
    """One convolution runs twice, so that its inputs and outputs are the same channels."""

    def __init__(self, classes: int = 5):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.twice = nn.Conv2d(16, 16, 3, padding=1)
        self.hidden = nn.Conv2d(16, 24, 1)
        self.classifier = nn.Linear(24, classes)

    def forward(self, x: Tensor) -> Tensor:
        features = functional.relu(self.twice(functional.relu(self.twice(self.stem(x)))))
        result: Tensor = self.classifier(functional.relu(self.hidden(features)).mean((2, 3)))
        return result


class Gated(nn.Module):
    """Half of a layer's outputs gate the other half."""

    def __init__(self, classes: int = 5):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1)
        self.last = nn.Conv2d(16, 16, 3, padding=1)
        self.classifier = nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        values, gates = self.stem(x).chunk(2, 1)
        result: Tensor = self.classifier(self.last(values * gates.sigmoid()).mean((2, 3)))
        return result


class DataDependent(nn.Module):
    """Another branch for bright images."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.second = nn.Conv2d(3, 8, 3)
        self.classifier = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.first if x.mean() > 0 else self.second
        result: Tensor = self.classifier(branch(x).mean((2, 3)))
        return result


NETWORKS = {
    "resnet": ResNet,
    "densenet": DenseNet,
    "unet": UNet,
    "medical-unet": MedicalUNet,
    "mobilenet": MobileNet,
    "grouped": Grouped,
    "vit": VisionTransformer,
    "fused-vit": lambda: VisionTransformer(fused=True),
    "torch-transformer": TorchTransformer,
    "shared": Shared,
    "gated": Gated,
}
"""Name -> function that builds a network of images [n, 3, 16, 16]."""


def build(name: str, seed: int = 0) -> nn.Module:
    """Build a network with statistics and scales that are not the initial ones."""
    torch.manual_seed(seed)
    network = NETWORKS[name]().eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 1.5)
            if isinstance(module, nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
    return network


@functools.cache
def space_of(name: str) -> ElasticSpace:
    """Return the space of an example network with its weights of seed 0, made once."""
    return from_network(build(name), torch.zeros(1, 3, 16, 16), f"elastic-{name}")
