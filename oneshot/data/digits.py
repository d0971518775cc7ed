"""The digits that ship with scikit-learn: 1797 real scans of 8 x 8 pixels (UCI, Alpaydin and Kaynak)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from oneshot.data.images import ImageData, ImageSplit

SIZES = {"train": 1000, "validation": 397, "test": 400}


def load(input_shape: tuple[int, int, int], split_seed: int = 0) -> ImageData:
    """The digits, upsampled to the network's input, in stratified parts of 1000, 397 and 400 images.

    Args:
        input_shape: (channels, height, width) of the network's input.
        split_seed: of the splits.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    rest, test = train_test_split(
        np.arange(len(labels)), test_size=SIZES["test"], random_state=split_seed, stratify=labels
    )
    train, validation = train_test_split(
        rest, test_size=SIZES["validation"], random_state=split_seed, stratify=labels[rest]
    )
    grey = torch.from_numpy(pixels.reshape(-1, 1, 8, 8).astype(np.float32))
    mean, deviation = grey[train].mean(), grey[train].std()
    images = _upsample((grey - mean) / deviation, input_shape)
    targets = torch.from_numpy(labels.astype(np.int64))
    parts = {
        name: ImageSplit.of(images[index], targets[index])
        for name, index in (("train", train), ("validation", validation), ("test", test))
    }
    return ImageData("digits", **parts, num_classes=10, split_seed=split_seed)


def _upsample(grey: Tensor, input_shape: tuple[int, int, int]) -> Tensor:
    channels, height, width = input_shape
    large = torch.nn.functional.interpolate(grey, size=(height, width), mode="bilinear", align_corners=False)
    return large.expand(-1, channels, -1, -1)
