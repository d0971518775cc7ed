"""The digits that ship with scikit-learn: 1797 real scans of 8 x 8 pixels (UCI, Alpaydin and
Kaynak).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from oneshot.data import validation_split as cut
from oneshot.data.augmentation import Augmentation
from oneshot.data.images import ImageData, ImageSplit
from oneshot.data.request import DataRequest
from oneshot.errors import InvalidOption

SIZES = {"train": 1000, "validation": 397, "test": 400}


def load(request: DataRequest) -> ImageData:
    """The digits, upsampled to the network's input, in stratified parts of 1000, 397 and 400
    images.

    Args:
        request: its input shape and split seed are used; `validation` takes another count from 1397
            images.

    Raises:
        InvalidOption: another preprocessing than `standard`.
    """
    if request.preprocessing != "standard":
        raise InvalidOption(
            f"digits know the preprocessing standard alone, not {request.preprocessing!r}"
        )
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    seed = request.split_seed
    rest, test = train_test_split(
        np.arange(len(labels)), test_size=SIZES["test"], random_state=seed, stratify=labels
    )
    size = (
        SIZES["validation"]
        if request.validation is None
        else cut.validation_size(len(rest), request.validation)
    )
    train, validation = train_test_split(
        rest, test_size=size, random_state=seed, stratify=labels[rest]
    )
    parts = [cut.limited(index, labels, request) for index in (train, validation, test)]
    grey = torch.from_numpy(pixels.reshape(-1, 1, 8, 8).astype(np.float32))
    mean, deviation = grey[train].mean(), grey[train].std()
    images = _upsample((grey - mean) / deviation, request.input_shape)
    targets = torch.from_numpy(labels.astype(np.int64))
    # A mirrored digit is no digit.
    shifts = Augmentation(flip=0, padding=max(1, request.input_shape[1] // 8))
    first, second, third = (ImageSplit.of(images[index], targets[index], shifts) for index in parts)
    return ImageData(
        request.name,
        first,
        second,
        third,
        num_classes=10,
        split_seed=seed,
        classes=tuple("0123456789"),
        digest=cut.digest(
            ([pixels[index].astype("u1").tobytes()], labels[index]) for index in parts
        ),
        request=request,
    )


def _upsample(grey: Tensor, input_shape: tuple[int, int, int]) -> Tensor:
    channels, height, width = input_shape
    large = torch.nn.functional.interpolate(
        grey, size=(height, width), mode="bilinear", align_corners=False
    )
    return large.expand(-1, channels, -1, -1)
