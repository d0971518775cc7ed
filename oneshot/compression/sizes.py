"""The data set of a compression at the input sizes of its networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneshot.data.registry import reload
from oneshot.errors import InvalidOption

if TYPE_CHECKING:
    from oneshot.compression.settings import CompressionSettings
    from oneshot.data.images import ImageData
    from oneshot.tasks.task import Task
    from spaces.elastic.space import ElasticSpace

    Shape = tuple[int, int, int]


class SizedData:
    """A data set that is loaded at each input size once it is needed.

    Args:
        data: The data set at the size of the original network.
        shape: Shape (channels, height, width) of its images.

    Example:
        >>> from oneshot.data.registry import load
        >>> sized = SizedData(load("digits", (1, 8, 8), limit=20), (1, 8, 8))
        >>> sized.at((1, 6, 6)).train.tensors([0])[0].shape
        torch.Size([1, 1, 6, 6])
    """

    def __init__(self, data: ImageData, shape: Shape):
        self._data = {shape: data}
        self._original = data

    def at(self, shape: Shape) -> ImageData:
        """Return the data set with images of a shape (channels, height, width).

        The parts have the same images at every size.

        Raises:
            InvalidOption: The data set cannot be loaded again.
            InvalidData: Files are missing or broken.
        """
        if shape not in self._data:
            if self._original.request is None:
                raise InvalidOption(
                    f"data: {self._original.title} has images of one size only; leave out"
                    " resolutions"
                )
            record = self._original.record()
            # The digest is that of images of the original size.
            record.pop("digest")
            self._data[shape] = reload(record, shape)
        return self._data[shape]

    def check(self, space: ElasticSpace, task: Task, settings: CompressionSettings) -> None:
        """Load the data set at all sizes of a space, before anything is measured.

        Raises:
            InvalidOption: It cannot be loaded at one of them, or all widths would be trained
                together although each size has targets of its own.
        """
        if settings.supernet_epochs and space.resolutions and task.head != "classes":
            raise InvalidOption(
                f"supernet_epochs: targets of the task {task.name} have the size of the images,"
                " which is one for all widths that are trained together; leave out resolutions, or"
                " set supernet_epochs to 0"
            )
        for code in range(len(space.resolutions)):
            self.at(space.at(code).input_shape)
