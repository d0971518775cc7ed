"""Plug-in with models of common kinds, each with choices in it, and a task of detection."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

import spaces
from oneshot.data import DataRequest, ImageData, ImageSplit, register_data
from oneshot.tasks import MeanTally, Tally, Task, register_task
from spaces import LayerChoice, Repeat
from tables.metrics import Metric

SIDE = 16


class BasicBlock(nn.Module):
    """A block as torchvision's, with a choice of its first convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int, key: str):
        super().__init__()
        self.conv1 = LayerChoice(
            {
                "k3": nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
                "k5": nn.Conv2d(inputs, outputs, 5, stride, 2, bias=False),
            },
            key=key,
        )
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        result: Tensor = self.relu(out)
        return result


class ResNet(nn.Module):
    """A residual network of two stages; `features` has the output of each."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(BasicBlock(8, 8, 1, "block1"))
        self.layer2 = nn.Sequential(BasicBlock(8, 16, 2, "block2"))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(16, 10)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.layer1(self.relu(self.bn1(self.conv1(x))))
        return fine, self.layer2(fine)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(torch.flatten(self.avgpool(self.features(x)[1]), 1))
        return logits


class EncoderBlock(nn.Module):
    """Attention and a multi-layer perceptron, whose width is a choice."""

    def __init__(self, width: int, key: str):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.self_attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = LayerChoice(
            {f"x{ratio}": perceptron(width, ratio * width) for ratio in (1, 2)}, key=key
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        y, _ = self.self_attention(y, y, y, need_weights=False)
        x = x + y
        result: Tensor = x + self.mlp(self.ln_2(x))
        return result


def perceptron(width: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class VisionTransformer(nn.Module):
    """Patches, a class token and position embeddings; the depth is a choice."""

    def __init__(self) -> None:
        super().__init__()
        width, patches = 16, 16
        self.conv_proj = nn.Conv2d(3, width, 4, 4)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embedding = nn.Parameter(torch.randn(1, patches + 1, width) * 0.02)
        self.layers = Repeat(lambda index: EncoderBlock(width, f"mlp{index}"), (1, 2), key="depth")
        self.ln = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embedding
        logits: Tensor = self.head(self.ln(self.layers(x))[:, 0])
        return logits


class Last(nn.Module):
    """A recurrent layer of which only the outputs are returned."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layer(x)[0]
        return outputs


class Rows(nn.Module):
    """A recurrent network that reads an image row by row; its layer is a choice."""

    def __init__(self) -> None:
        super().__init__()
        inputs = 3 * SIDE
        self.rnn = LayerChoice(
            {
                "gru": Last(nn.GRU(inputs, 16, batch_first=True)),
                "both": Last(nn.GRU(inputs, 8, batch_first=True, bidirectional=True)),
                "lstm": Last(nn.LSTM(inputs, 16, batch_first=True)),
            },
            key="rnn",
        )
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.rnn(x.transpose(1, 2).flatten(2)).mean(1))
        return logits


class Detector(nn.Module):
    """A backbone with two levels of features; returns scores and boxes of one object."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ResNet()
        self.lateral = nn.Conv2d(8, 16, 1)
        self.tower = LayerChoice(
            {
                "plain": nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU(inplace=True)),
                "deep": nn.Sequential(
                    nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU()
                ),
            },
            key="tower",
        )
        self.scores = nn.Linear(16 * 16, 2)
        self.boxes = nn.Linear(16 * 16, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine, coarse = self.backbone.features(x)
        top = functional.interpolate(coarse, scale_factor=2.0)
        x = self.tower(self.lateral(fine) + top)
        x = functional.adaptive_avg_pool2d(x, 4).flatten(1)
        return self.scores(x), self.boxes(x).sigmoid()


@register_task("detection-of-one")
class DetectionOfOne(Task):
    """Class and box of one object; targets are (class, left, top, right, bottom)."""

    metrics: ClassVar[Mapping[str, Metric]] = {
        "iou": Metric("fraction", higher_is_better=True),
        "top1": Metric("percent", higher_is_better=True),
    }

    def loss(self, outputs: Any, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        scores, boxes = outputs
        error = functional.cross_entropy(scores, targets[:, 0].long(), label_smoothing=smoothing)
        return error + 5 * functional.l1_loss(boxes, targets[:, 1:])

    def tally(self, device: torch.device) -> Tally:
        return MeanTally(measured, device)


def measured(outputs: Any, targets: Tensor) -> dict[str, Tensor]:
    """Return overlap and correctness of each image."""
    scores, boxes = outputs
    true = targets[:, 1:]
    size = (
        torch.minimum(boxes[:, 2:], true[:, 2:]) - torch.maximum(boxes[:, :2], true[:, :2])
    ).clamp(0)
    inner = size.prod(1)
    areas = [(each[:, 2:] - each[:, :2]).clamp(0).prod(1) for each in (boxes, true)]
    iou = inner / (areas[0] + areas[1] - inner)
    return {"iou": iou, "top1": 100.0 * (scores.argmax(1) == targets[:, 0])}


@register_data("squares")
def squares(request: DataRequest) -> ImageData:
    """Bright or dark squares on noise."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> ImageSplit:
        images = 0.2 * torch.randn(count, 3, SIDE, SIDE, generator=generator)
        targets = torch.zeros(count, 5)
        for image, target in zip(images, targets, strict=True):
            left, top, kind = (int(n) for n in torch.randint(8, (3,), generator=generator))
            image[:, top : top + 8, left : left + 8] += 2.0 if kind % 2 else -2.0
            target[:] = torch.tensor(
                [kind % 2, *(n / SIDE for n in (left, top, left + 8, top + 8))]
            )
        return ImageSplit.from_tensors(images, targets)

    return ImageData(
        request.name, split(200), split(60), split(60), 2, 0, digest="squares", request=request
    )


def _register(name: str, model: type[nn.Module], num_classes: int) -> None:
    @spaces.register_space(name)
    def space(name: str, /) -> spaces.SearchSpace:
        example = torch.zeros(1, 3, SIDE, SIDE)
        return spaces.from_model(model(), example, name=name, num_classes=num_classes)


for _name, _model in {"resnet": ResNet, "vit": VisionTransformer, "rows": Rows}.items():
    _register(_name, _model, 10)
_register("detector", Detector, 2)
