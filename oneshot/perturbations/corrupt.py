"""Images with noise, blur or changed colours."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from oneshot.perturbations.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from oneshot.perturbations.perturbation import Perturbation
from oneshot.perturbations.pixel_scale import PixelScale, check_images
from oneshot.perturbations.registry import register_perturbation

if TYPE_CHECKING:
    from oneshot.data.images import ImageData

ALL = "all"


@register_perturbation("corrupt")
class Corrupt(Perturbation):
    """Corrupts images as in ImageNet-C: 1 pass.

    Noise, blur, contrast, brightness and JPEG compression at five severities. Evaluations compute
    layers that several paths share only once.

    Args:
        kind: Name of one corruption; `all`: each image has a random one.
        severity: Severity from 1 to 5; 0: each image has a random one.

    Raises:
        InvalidOption: There is no such corruption or severity.
    """

    uses_model = False

    def __init__(self, *, kind: str = ALL, severity: int = 0) -> None:
        if kind != ALL and kind not in CORRUPTIONS:
            raise InvalidOption(
                f"under corrupt: kind must be one of {', '.join([ALL, *CORRUPTIONS])}, not {kind!r}"
            )
        if not 0 <= severity <= SEVERITIES:
            raise InvalidOption(
                f"under corrupt: severity must be from 1 to {SEVERITIES}, or 0 for random ones, not"
                f" {severity}"
            )
        self.names = tuple(CORRUPTIONS) if kind == ALL else (kind,)
        self.severity = severity
        self.pixels = PixelScale()

    def for_data(self, data: ImageData) -> Perturbation:
        """Return the corruption of the normalised images of a data set."""
        result = copy.copy(self)
        result.pixels = PixelScale.from_data(data, "corrupt")
        return result

    @torch.no_grad()
    def around(
        self,
        model: nn.Module,
        inputs: Tensor,
        loss_at: Callable[[Tensor], Tensor],
        generator: torch.Generator,
    ) -> AbstractContextManager[Tensor]:
        """Return a context that gives the corrupted images."""
        images = check_images(inputs, "corrupt")
        count = (len(images),)
        kinds = torch.randint(len(self.names), count, generator=generator)
        if self.severity:
            severities = torch.full(count, self.severity)
        else:
            severities = torch.randint(1, SEVERITIES + 1, count, generator=generator)

        # In one order of memory: corruptions compute single channels and rows.
        pixels = self.pixels.to_rgb(images.float().contiguous()).clamp(0, 1)
        changed = corrupted(pixels, kinds, severities, self.names, generator)
        result = self.pixels.from_rgb(changed).to(images.dtype)
        return nullcontext(result.contiguous(memory_format=torch.channels_last))
