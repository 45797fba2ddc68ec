"""Where the pixels of a heatmap lie in the image, and heatmaps brought from one such frame to another."""
from dataclasses import dataclass
from typing import Any, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from mmpose.codecs import MegviiHeatmap, MSRAHeatmap, UDPHeatmap
from torch import Tensor

from ..codecs import QuarterOffsetHeatmap

# Codecs that can take part: where a heatmap pixel lies, and the value of a target at its joint.
CODECS = {
    QuarterOffsetHeatmap: ('centres', 255.),
    MegviiHeatmap: ('centres', 255.),
    MSRAHeatmap: ('corners', 1.),
    UDPHeatmap: ('ends', 1.),
}


@dataclass(frozen=True)
class HeatmapFrame:
    """Geometry and value range of the heatmaps of one model.

    Symbols: (W, H) heatmap size, (w, h) input size in px, p a heatmap pixel, t its place in input px.

    size: (W, H).
    input_size: (w, h).
    layout: ``'centres'``: t = (p + 1/2) w/W (the paper, Megvii); ``'corners'``: t = p w/W (MSRA); ``'ends'``: t = p (w-1)/(W-1)
        (UDP). Each is what the codec's own decoder does.
    peak: Value of a target at its joint.
    """
    size: Tuple[int, int]
    input_size: Tuple[int, int]
    layout: str
    peak: float

    @classmethod
    def of_codec(cls, codec: Any) -> 'HeatmapFrame':
        """The frame of a model with this decoder.

        Raises:
            ValueError: if heatmaps of such a codec cannot be averaged with others.
        """
        found = [CODECS[kind] for kind in CODECS if isinstance(codec, kind)]
        if not found or getattr(codec, 'heatmap_type', 'gaussian') != 'gaussian':
            raise ValueError(f'Heatmaps of the decoder {type(codec).__name__} cannot be averaged with others. Heatmaps of '
                             f'{", ".join(kind.__name__ for kind in CODECS)} (heatmap_type="gaussian") can; for others '
                             'write a result file a model and merge these.')
        return cls(tuple(codec.heatmap_size), tuple(codec.input_size), *found[0])

    def to_input(self) -> Tuple[np.ndarray, np.ndarray]:
        """(a, b), (2, ) each, with t = a p + b."""
        size, input_size = np.array(self.size, dtype=float), np.array(self.input_size, dtype=float)
        if self.layout == 'ends':
            return (input_size - 1) / (size - 1), np.zeros(2)
        step = input_size / size
        return step, step / 2 if self.layout == 'centres' else np.zeros(2)


@dataclass(frozen=True)
class Crops:
    """The part of the image that each input of a batch shows: ``center`` and ``scale`` (width, height), (B, 2), image px."""
    center: np.ndarray
    scale: np.ndarray


def resample(heatmaps: Tensor, frame: HeatmapFrame, crops: Crops, target: HeatmapFrame, target_crops: Crops) -> Tensor:
    """Bring heatmaps of one model into the frame of another.

    Each pixel of the target frame is followed through the image into the source map, which is read there bilinearly; half a
    pixel beyond its outermost pixels it goes on, and further out, where the model has seen nothing, it is 0. Values are
    scaled to the target's peak. Maps whose frame and crops are the target's already come back as they are, bit by bit.

    Args:
        heatmaps (Tensor): (B, K, H, W) in ``frame``.
        frame (HeatmapFrame): Their frame.
        crops (Crops): Their crops.
        target (HeatmapFrame): The frame wanted.
        target_crops (Crops): The crops wanted.

    Returns:
        Tensor: (B, K, H', W') in ``target``.
    """
    same_crops = np.array_equal(crops.center, target_crops.center) and np.array_equal(crops.scale, target_crops.scale)
    if same_crops and frame == target:
        return heatmaps
    size = torch.tensor(frame.size, dtype=torch.float64)
    pixels = torch.from_numpy(_source_pixels(frame, crops, target, target_crops))  # (B, H', W', 2)
    # -1 and 1 are the centres of the outermost pixels.
    grid = (2 * pixels / (size - 1).clamp(min=1) - 1).to(heatmaps.device, heatmaps.dtype)
    sampled = F.grid_sample(heatmaps, grid, mode='bilinear', padding_mode='border', align_corners=True)
    inside = ((pixels > -.501) & (pixels < size - .499)).all(dim=-1)
    sampled = sampled * inside.to(heatmaps.device, heatmaps.dtype)[:, None]
    return sampled if frame.peak == target.peak else sampled * (target.peak / frame.peak)


def _source_pixels(frame: HeatmapFrame, crops: Crops, target: HeatmapFrame, target_crops: Crops) -> np.ndarray:
    """The source pixel (x, y), not rounded, that lies where each target pixel lies, (B, H', W', 2)."""
    step, start = target.to_input()
    x = np.arange(target.size[0]) * step[0] + start[0]
    y = np.arange(target.size[1]) * step[1] + start[1]
    share = np.stack(np.meshgrid(x, y), axis=-1) / target.input_size  # of the crop, (H', W', 2)
    per_crop = (slice(None), None, None)
    image = (share - .5) * target_crops.scale[per_crop] + target_crops.center[per_crop]
    share = (image - crops.center[per_crop]) / crops.scale[per_crop] + .5
    step, start = frame.to_input()
    return (share * frame.input_size - start) / step
