"""Where the pixels of a heatmap lie in the image, and heatmaps brought from one such frame to another."""
from dataclasses import dataclass
from typing import Any, List, Tuple

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
    rows = []
    for pixels, size in zip(_source_pixels(frame, crops, target, target_crops), frame.size):
        # -1 and 1 are the centres of the outermost pixels.
        rows += [2 * pixels / max(size - 1, 1) - 1, (pixels > -.501) & (pixels < size - .499)]
    sent = torch.from_numpy(np.concatenate(rows, axis=1)).to(heatmaps.dtype)
    if heatmaps.is_cuda:
        sent = sent.pin_memory()
    # One copy, of rows and columns: the grid is made of them on the device.
    width, height = target.size
    x, inside_x, y, inside_y = sent.to(heatmaps.device, non_blocking=True).split([width, width, height, height], dim=1)
    grid = torch.stack(torch.broadcast_tensors(x.unsqueeze(1), y.unsqueeze(2)), dim=-1)  # (B, H', W', 2)
    sampled = F.grid_sample(heatmaps, grid, mode='bilinear', padding_mode='border', align_corners=True)
    sampled = sampled * (inside_x.unsqueeze(1) * inside_y.unsqueeze(2)).unsqueeze(1)
    return sampled if frame.peak == target.peak else sampled * (target.peak / frame.peak)


def _source_pixels(frame: HeatmapFrame, crops: Crops, target: HeatmapFrame, target_crops: Crops) -> List[np.ndarray]:
    """The source column (B, W') and row (B, H'), not rounded, that lie where each target column and row lies."""
    (step, start), (source_step, source_start) = target.to_input(), frame.to_input()
    pixels = []
    for axis in range(2):
        of_crop = (slice(None), axis, None)
        share = (np.arange(target.size[axis]) * step[axis] + start[axis]) / target.input_size[axis]
        image = (share - .5) * target_crops.scale[of_crop] + target_crops.center[of_crop]
        share = (image - crops.center[of_crop]) / crops.scale[of_crop] + .5
        pixels.append((share * frame.input_size[axis] - source_start[axis]) / source_step[axis])
    return pixels
