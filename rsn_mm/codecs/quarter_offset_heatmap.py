"""The paper's codec: Gaussian targets, and a quarter of a pixel from the highest response towards the second highest."""
import math
from functools import cache
from typing import Callable, List, Optional, Tuple, Union, cast

import numpy as np
import torch
from mmpose.codecs.base import BaseKeypointCodec
from torch import Tensor

from ..registry import KEYPOINT_CODECS
from .gaussian_targets import PEAK, GaussianTargets
from .two_highest import Blur, two_highest

# Numba takes a second or two to import and to load its code, and a map without it half a millisecond.
MAPS_BEFORE_NUMBA = 200
_decoded_maps = 0
SCORE_OF_NOTHING = 0.5  # added to map / PEAK, as the authors do: an empty map scores 0.5, a perfect peak 1.5


@KEYPOINT_CODECS.register_module()
class QuarterOffsetHeatmap(BaseKeypointCodec):
    r"""Heatmaps of joints, encoded and decoded as in the paper. Stands where ``MegviiHeatmap`` stands.

    Symbols: N instances (1), K joints, B images; (w, h) the input and (W, H) the heatmap size. All coordinates are
    (x, y). Joints are in input px, 0 being the centre of the first pixel.

    Encode. One at heatmap pixel (int(x * W / w), int(y * H / h)), blurred by a ``kernel_size`` Gaussian, scaled so that
    the peak is 255. A joint that is not labelled or lies outside [0, w - 1] x [0, h - 1] has an empty map and weight 0.

    Decode. The map, zero-padded by ``border`` px, is blurred by a ``blur_kernel_size`` Gaussian. p1 is its highest pixel,
    p2 the highest of the others; with d = p2 - p1::

        p = p1 + offset * d / |d|        clipped to the map; in input px (x * w/W + w/W/2, y * h/H + h/H/2)

    The score is the unblurred map at round(p), / 255 + 0.5. A map without a value above zero gives the centre of heatmap
    pixel (0, 0) and the score there, 0.5 for an all-zero map. NaN counts as the highest value: an all-NaN map gives the centre
    of heatmap pixel (0, 0) and score NaN.

    Args:
        input_size (tuple[int, int]): Input size (w, h) in px.
        heatmap_size (tuple[int, int]): Heatmap size (W, H) in px; must divide ``input_size``.
        kernel_size (int): Size of the Gaussian of the targets in heatmap px, odd and at least 3.
        blur_kernel_size (int, optional): Size of the Gaussian that is laid over predicted maps, odd and at least 3; the
            authors take 5 on COCO and 9 on MPII. Defaults to ``kernel_size``, as ``MegviiHeatmap`` does.
        border (int): Zero-padding before the blur, in heatmap px, so that a joint at the border may be pulled out of the
            map. Defaults to 10.
        offset (float): How far to go from p1 towards p2, in heatmap px. 0 is plain argmax. Defaults to 0.25.

    Raises:
        ValueError: if an argument is outside what is said above.

    Source: paper section 4.1 ("Testing Details"); the authors' ``JointsDataset.py`` and ``test.py``. Gaussians are
    OpenCV's for a kernel size without sigma, which the authors use. ``MegviiHeatmap`` differs in all of decoding: it
    follows the sign of the gradient on each axis, adds half a pixel only inside, and scores the blurred map.
    """

    label_mapping_table = dict(keypoint_weights='keypoint_weights')
    field_mapping_table = dict(heatmaps='heatmaps')

    def __init__(self,
                 input_size: Tuple[int, int],
                 heatmap_size: Tuple[int, int],
                 kernel_size: int,
                 blur_kernel_size: Optional[int] = None,
                 border: int = 10,
                 offset: float = 0.25) -> None:
        super().__init__()
        blur_kernel_size = kernel_size if blur_kernel_size is None else blur_kernel_size
        _check_sizes(input_size, heatmap_size)
        _check_kernel('kernel_size', kernel_size, heatmap_size)
        _check_kernel('blur_kernel_size', blur_kernel_size, heatmap_size)
        if not isinstance(border, int) or border < 0:
            raise ValueError(f'border={border!r} must be a number of heatmap pixels, at least 0 (the authors pad by 10).')
        if not 0 <= offset < 1:
            raise ValueError(f'offset={offset!r} must be at least 0 and below 1 heatmap pixel (the paper takes 0.25).')
        self.input_size = cast(Tuple[int, int], tuple(input_size))
        self.heatmap_size = cast(Tuple[int, int], tuple(heatmap_size))
        self.kernel_size = kernel_size
        self.blur_kernel_size = blur_kernel_size
        self.border = border
        self.offset = offset
        self.scale_factor = (np.array(input_size) / heatmap_size).astype(np.float32)
        self._targets = GaussianTargets(input_size, heatmap_size, [kernel_size])
        self._blur = Blur.of_size(blur_kernel_size, border)

    def encode(self, keypoints: np.ndarray, keypoints_visible: Optional[np.ndarray] = None) -> dict:
        """Make target heatmaps.

        Args:
            keypoints (np.ndarray): Joints (1, K, 2) in input px.
            keypoints_visible (np.ndarray, optional): (1, K); from 0.5 on a joint is labelled. Defaults to all labelled.

        Returns:
            dict: ``heatmaps`` (K, H, W) float32, 0 to 255; ``keypoint_weights`` (1, K) float32, 0 or 1.

        Raises:
            ValueError: if there is not exactly one instance.
        """
        heatmaps, weights = self._targets.draw(keypoints, keypoints_visible)
        return dict(heatmaps=heatmaps[0], keypoint_weights=weights)

    def decode(self, encoded: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Decode the heatmaps of one person.

        Args:
            encoded (np.ndarray): Heatmaps (K, H, W).

        Returns:
            tuple:
            - keypoints (np.ndarray): (1, K, 2) in input px, float32.
            - scores (np.ndarray): (1, K), float32.
        """
        keypoints, scores = self.batch_decode(np.asarray(encoded)[None])
        return keypoints[0], scores[0]

    def batch_decode(self, batch_encoded: Union[Tensor, np.ndarray]) -> Tuple[List[np.ndarray], List[np.ndarray]]:
        """Decode the heatmaps of a batch where they are, see :meth:`decode_batch`.

        Args:
            batch_encoded (Tensor | np.ndarray): Heatmaps (B, K, H, W).

        Returns:
            tuple: ``keypoints``, a list of B arrays (1, K, 2) in input px, and ``scores``, a list of B arrays (1, K).
        """
        if isinstance(batch_encoded, np.ndarray):
            heatmaps = torch.from_numpy(np.require(batch_encoded, requirements=('C', 'W')))
        else:
            heatmaps = batch_encoded
        keypoints, scores = self.decode_batch(heatmaps)
        return list(keypoints[:, None].cpu().numpy()), list(scores[:, None].cpu().numpy())

    def decode_batch(self, heatmaps: Tensor) -> Tuple[Tensor, Tensor]:
        """As :meth:`decode_tensor`; on a CPU, after the first few persons, by compiled loops, which depend on values, where
        Numba is installed. Both give the same, to the last bit."""
        compiled = _compiled_for(heatmaps)
        if compiled is None:
            return self.decode_tensor(heatmaps)
        _check_heatmaps(heatmaps, self.heatmap_size)
        maps = heatmaps.detach().float().contiguous().flatten(0, 1).numpy()
        points, values, _ = compiled(maps, self._blur, self.offset)
        keypoints = points * self.scale_factor + self.scale_factor / 2
        scores = values / PEAK + SCORE_OF_NOTHING
        return (torch.from_numpy(keypoints).reshape(*heatmaps.shape[:2], 2),
                torch.from_numpy(scores).reshape(heatmaps.shape[:2]))

    def decode_tensor(self, heatmaps: Tensor) -> Tuple[Tensor, Tensor]:
        """Decode without leaving the device. Nothing here depends on values, so that it can be traced and exported.

        Args:
            heatmaps (Tensor): (B, K, H, W), any floating dtype.

        Returns:
            tuple:
            - keypoints (Tensor): (B, K, 2) in input px, float32.
            - scores (Tensor): (B, K), float32.
        """
        _check_heatmaps(heatmaps, self.heatmap_size)
        heatmaps = heatmaps.detach().float()
        return self._refined(heatmaps, two_highest(heatmaps, self._blur))

    def _refined(self, heatmaps: Tensor, pixels: Tensor) -> Tuple[Tensor, Tensor]:
        """Joints and scores from the two highest pixels (B, K, 2, 2) of each map."""
        first, second = pixels.unbind(dim=2)
        towards = second - first
        length = torch.linalg.vector_norm(towards, dim=-1, keepdim=True)
        # One and the same pixel (an empty map) has no direction: its length counts as 1.
        points = first + self.offset * towards / length.clamp(min=1)
        # Sizes are Python numbers: a tensor of them would be copied to the device, and the host wait for that.
        width, height = self.heatmap_size
        x, y = points.unbind(-1)
        x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
        index = y.round().long() * width + x.round().long()
        values = heatmaps.flatten(2).gather(2, index.unsqueeze(-1)).squeeze(-1)
        scale_x, scale_y = self.scale_factor.tolist()
        keypoints = torch.stack([x * scale_x + scale_x / 2, y * scale_y + scale_y / 2], dim=-1)
        return keypoints, values / PEAK + SCORE_OF_NOTHING


def _compiled_for(heatmaps: Tensor) -> Optional[Callable]:
    """:func:`decode_compiled` on a CPU, once there have been so many maps that it is worth its start."""
    global _decoded_maps
    if heatmaps.device.type != 'cpu':
        return None
    if _decoded_maps <= MAPS_BEFORE_NUMBA:
        _decoded_maps += math.prod(heatmaps.shape[:2])
    return _compiled() if _decoded_maps > MAPS_BEFORE_NUMBA else None


@cache
def _compiled() -> Optional[Callable]:
    """:func:`decode_compiled`, imported when it is first needed (Numba takes half a second), or None where it cannot be."""
    try:
        from .compiled import decode_compiled
    except (ImportError, RuntimeError):  # no Numba for this Python and NumPy; no folder that it may keep its code in
        return None
    return decode_compiled


def _check_sizes(input_size: Tuple[int, int], heatmap_size: Tuple[int, int]) -> None:
    for side, pixels, cells in zip(('width', 'height'), input_size, heatmap_size):
        if cells < 1 or pixels % cells:
            fitting = tuple(4 * max(1, round(pixels / 4)) for pixels in input_size)
            raise ValueError(
                f'heatmap_size={tuple(heatmap_size)} does not divide input_size={tuple(input_size)}: {side} {pixels} / {cells} '
                f'is not a whole number. Both are (width, height); RSN predicts at a quarter of the input: input_size='
                f'{fitting}, heatmap_size={tuple(pixels // 4 for pixels in fitting)}.')


def _check_kernel(name: str, kernel_size: int, heatmap_size: Tuple[int, int]) -> None:
    largest = 2 * min(heatmap_size) - 1
    if not isinstance(kernel_size, int) or kernel_size % 2 == 0 or not 3 <= kernel_size <= largest:
        raise ValueError(f'{name}={kernel_size!r} is not the size of a Gaussian: give an odd integer from 3 to {largest} '
                         '(heatmap pixels; the paper takes 15, 11, 9, 7, 5 for its targets).')


def _check_heatmaps(heatmaps: Tensor, heatmap_size: Tuple[int, int]) -> None:
    if heatmaps.ndim != 4 or tuple(heatmaps.shape[-2:]) != tuple(reversed(heatmap_size)):
        raise ValueError(f'heatmaps of shape {tuple(heatmaps.shape)} do not fit heatmap_size={tuple(heatmap_size)} (width, '
                         f'height): (B, K, {heatmap_size[1]}, {heatmap_size[0]}) is expected. Give the codec and the network '
                         'the same input_size.')
