"""Predict the angle of turned digits: python examples/own_task.py 20, for 20 epochs."""

import subprocess
import sys
from dataclasses import replace

import torch
from torch.nn import functional

from oneshot.data import digits
from oneshot.data.images import ImageSplit
from oneshot.data.registry import register_data
from oneshot.tasks import MeanTally, Task, register_task
from tables.metrics import Metric


@register_task("angle")
class Angle(Task):
    """Predicts an angle in degrees."""

    metrics = {"degrees": Metric("degrees")}  # noqa: RUF012

    def loss(self, outputs, targets, smoothing=0.0):
        return functional.mse_loss(outputs[:, 0], targets / 60)

    def tally(self, device):
        return MeanTally(lambda x, y: {"degrees": (60 * x[:, 0] - y).abs()}, device)


@register_data("turned-digits")
def turned_digits(request):
    """Digits that are turned by -60 to 60 degrees; the targets are the angles."""
    data = digits.load(request)
    parts = {part: turned(getattr(data, part)) for part in ("train", "validation", "test")}
    return replace(data, **parts, num_classes=1, classes=())


def turned(split):
    angles = 120 * torch.rand(len(split), generator=torch.Generator().manual_seed(0)) - 60
    cos, sin, zero = angles.deg2rad().cos(), angles.deg2rad().sin(), torch.zeros(len(split))
    rotations = torch.stack([cos, -sin, zero, sin, cos, zero], 1).view(-1, 2, 3)
    grid = functional.affine_grid(rotations, list(split.images.shape), align_corners=False)
    images = functional.grid_sample(split.images, grid, "bilinear", "border", align_corners=False)
    return ImageSplit.from_tensors(images, angles)


if __name__ == "__main__":
    training = f"--data turned-digits --task angle --learning-rate 0.01 --epochs {sys.argv[1]}"
    for command in (
        f"oneshot train --space spos-tiny {training} -o supernet",
        "oneshot evaluate supernet -n 40 --recalibration-batches 4 -o scores.jsonl",
        "predictor train --data scores.jsonl --space spos-tiny --metric degrees -o gp.safetensors",
        "oneshot search --space spos-tiny --guide predictor:gp.safetensors -o best.json",
        f"oneshot retrain --arch best.json {training} -o network",
        "oneshot export network -o network.onnx",
    ):
        package, *arguments = command.split()
        module = [sys.executable, "-m", package, "--plugin", __file__]
        subprocess.run([*module, *arguments], check=True)
