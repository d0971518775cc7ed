"""The 1797 scans of digits, 8 x 8 pixels, that ship with scikit-learn (Alpaydin and Kaynak)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from oneshot.data import validation_split
from oneshot.data.augmentation import Augmentation
from oneshot.data.images import ImageData, ImageSplit
from oneshot.data.request import DataRequest
from oneshot.errors import InvalidOption

SIZES = {"train": 1000, "validation": 397, "test": 400}


def load(request: DataRequest) -> ImageData:
    """Read the digits, upsampled to the input, in stratified parts of 1000, 397 and 400 images.

    Args:
        request: The request; `validation` sets another size of the validation part, split from
            1397 images.

    Raises:
        InvalidOption: The preprocessing is not `standard`.
    """
    if request.preprocessing != "standard":
        raise InvalidOption(
            f"digits support only the preprocessing standard, not {request.preprocessing!r}"
        )

    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    # The set has no parts of its own: the test part is split off first, by the same seed.
    pixels, labels = load_digits(return_X_y=True)
    seed = request.split_seed
    trainable, test = train_test_split(
        np.arange(len(labels)), test_size=SIZES["test"], random_state=seed, stratify=labels
    )
    size = (
        SIZES["validation"]
        if request.validation is None
        else validation_split.validation_size(len(trainable), request.validation)
    )
    train, validation = train_test_split(
        trainable, test_size=size, random_state=seed, stratify=labels[trainable]
    )
    parts = [
        validation_split.limited(index, labels, request) for index in (train, validation, test)
    ]

    # Statistics of the training part alone normalise all parts.
    grey = torch.from_numpy(pixels.reshape(-1, 1, 8, 8).astype(np.float32))
    mean = grey[train].mean()
    deviation = grey[train].std()
    images = _upsample((grey - mean) / deviation, request.input_shape)
    targets = torch.from_numpy(labels.astype(np.int64))

    # A mirrored digit is no digit.
    shifts = Augmentation(flip=0, padding=max(1, request.input_shape[1] // 8))
    splits = [ImageSplit.from_tensors(images[index], targets[index], shifts) for index in parts]

    return ImageData(
        request.name,
        train=splits[0],
        validation=splits[1],
        test=splits[2],
        num_classes=10,
        split_seed=seed,
        classes=tuple("0123456789"),
        digest=validation_split.digest(
            ([pixels[index].astype("u1").tobytes()], labels[index]) for index in parts
        ),
        request=request,
    )


def _upsample(grey: Tensor, input_shape: tuple[int, int, int]) -> Tensor:
    channels, height, width = input_shape
    enlarged = torch.nn.functional.interpolate(
        grey, size=(height, width), mode="bilinear", align_corners=False
    )
    return enlarged.expand(-1, channels, -1, -1)
