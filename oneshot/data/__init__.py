"""Data sets: images with fixed parts, found by name or path."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.data.augmentation import Augmentation as Augmentation
    from oneshot.data.images import ImageData as ImageData
    from oneshot.data.images import ImageSplit as ImageSplit
    from oneshot.data.registry import available as available
    from oneshot.data.registry import load as load
    from oneshot.data.registry import register_data as register_data
    from oneshot.data.request import DataRequest as DataRequest
    from oneshot.data.structured import StructuredSplit as StructuredSplit

__all__ = [
    "Augmentation",
    "DataRequest",
    "ImageData",
    "ImageSplit",
    "StructuredSplit",
    "available",
    "load",
    "register_data",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "Augmentation": ".augmentation",
        "DataRequest": ".request",
        "ImageData": ".images",
        "ImageSplit": ".images",
        "StructuredSplit": ".structured",
        "available": ".registry",
        "load": ".registry",
        "register_data": ".registry",
    },
)
