"""What JPEG compression does to pixels, computed on tensors without writing files."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional

_SIDE = 8

# Tables K.1 and K.2 of the standard (ITU-T T.81), which libjpeg scales by the quality.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)

# From RGB to luminance and the two chrominances (JFIF 1.02).
_TO_YCC = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)


def compressed(pixels: Tensor, quality: Tensor) -> Tensor:
    """Return pixels as they are after JPEG compression with 4:2:0 subsampling.

    Args:
        pixels: Pixels from 0 to 1 [b, channels, h, w]; three channels are RGB, others are
            compressed as luminances.
        quality: Quality of libjpeg of each image [b], from 1 to 100.
    """
    levels = (pixels * 255).round().clamp(0, 255)
    height, width = levels.shape[2:]

    # Blocks of chrominances cover 16 x 16 pixels; edges are repeated, as libjpeg does.
    padding = (0, -width % (2 * _SIDE), 0, -height % (2 * _SIDE))
    levels = functional.pad(levels, padding, mode="replicate")

    luminance = _tables(_LUMINANCE, quality)
    if levels.shape[1] != 3:
        result = _coded(levels, luminance)
    else:
        matrix = levels.new_tensor(_TO_YCC)
        ycc = torch.einsum("kc,bchw->bkhw", matrix, levels)
        ycc[:, 1:] += 128
        ycc = ycc.round().clamp(0, 255)

        halved = functional.avg_pool2d(ycc[:, 1:], 2).round()
        chroma = functional.interpolate(
            _coded(halved, _tables(_CHROMINANCE, quality)),
            scale_factor=2,
            mode="bilinear",
            align_corners=False,
        )
        decoded = torch.cat([_coded(ycc[:, :1], luminance), chroma - 128], 1)
        result = torch.einsum("ck,bkhw->bchw", torch.linalg.inv(matrix), decoded)

    return result[..., :height, :width].round().clamp(0, 255) / 255


def _tables(base: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """Return the steps [b, 1, 1, 1, 8, 8] of the coefficients, as libjpeg computes them."""
    quality = quality.view(-1, 1, 1, 1, 1, 1)
    percent = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    table = torch.tensor(base, dtype=quality.dtype, device=quality.device)
    return ((table * percent + 50) / 100).floor().clamp(1, 255)


def _coded(levels: Tensor, tables: Tensor) -> Tensor:
    """Round the cosine coefficients of 8 x 8 blocks and return the levels [b, c, h, w]."""
    count, channels, height, width = levels.shape
    transform = _cosines(levels.dtype).to(levels.device)
    blocks = (
        (levels - 128)
        .view(count, channels, height // _SIDE, _SIDE, width // _SIDE, _SIDE)
        .transpose(3, 4)
    )

    coefficients = transform @ blocks @ transform.T
    rounded = (coefficients / tables).round() * tables

    decoded = (transform.T @ rounded @ transform).transpose(3, 4)
    return (decoded.reshape(levels.shape) + 128).round().clamp(0, 255)


@functools.cache
def _cosines(dtype: torch.dtype) -> Tensor:
    """Return the orthonormal cosine transform [8, 8] (DCT-II)."""
    frequency = torch.arange(_SIDE, dtype=torch.float64)[:, None]
    position = torch.arange(_SIDE, dtype=torch.float64)[None]
    matrix = torch.cos(math.pi * (2 * position + 1) * frequency / (2 * _SIDE)) * math.sqrt(
        2 / _SIDE
    )
    matrix[0] /= math.sqrt(2)
    return matrix.to(dtype)
