"""The paper's codec: Gaussian targets, and a quarter of a pixel from the highest response towards the second highest."""
from typing import List, Optional, Tuple, Union

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmpose.codecs.base import BaseKeypointCodec
from torch import Tensor

from ..registry import KEYPOINT_CODECS

PEAK = 255.0  # value of a target heatmap at its joint
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

    The score is the UNBLURRED map at round(p), / 255 + 0.5. An all-zero map gives the centre of heatmap pixel (0, 0) and
    score 0.5.

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
        self.input_size = tuple(input_size)
        self.heatmap_size = tuple(heatmap_size)
        self.kernel_size = kernel_size
        self.blur_kernel_size = blur_kernel_size
        self.border = border
        self.offset = offset
        self.scale_factor = (np.array(input_size) / heatmap_size).astype(np.float32)
        width, height = heatmap_size
        # A target is the outer product of one row of each: row i is the profile of a joint at pixel i, its peak 1.
        self._profiles_x = _blurred_ones(width, kernel_size)
        self._profiles_y = _blurred_ones(height, kernel_size)

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
        if keypoints.shape[0] != 1:
            raise ValueError(f'keypoints has {keypoints.shape[0]} instances (shape {keypoints.shape}); a top-down heatmap '
                             "holds one person. Use data_mode='topdown'.")
        if keypoints_visible is None:
            keypoints_visible = np.ones(keypoints.shape[:2], dtype=np.float32)
        labelled = keypoints_visible >= 0.5
        # NaN compares false: a joint without a position is outside.
        inside = ((keypoints >= 0) & (keypoints <= np.array(self.input_size) - 1)).all(axis=-1)
        weights = (labelled & inside).astype(np.float32)

        keypoints = np.where(weights[..., None] > 0, keypoints, 0)
        pixels = (keypoints * self.heatmap_size / self.input_size).astype(np.int64)[0]
        peaks = PEAK * weights[0]
        heatmaps = (peaks[:, None] * self._profiles_y[pixels[:, 1]])[:, :, None] * self._profiles_x[pixels[:, 0], None]
        return dict(heatmaps=heatmaps, keypoint_weights=weights)

    def decode(self, encoded: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Decode the heatmaps of one person.

        Args:
            encoded (np.ndarray): Heatmaps (K, H, W).

        Returns:
            tuple:
            - keypoints (np.ndarray): (1, K, 2) in input px, float32.
            - scores (np.ndarray): (1, K), float32.
        """
        keypoints, scores = self.decode_tensor(torch.from_numpy(np.ascontiguousarray(encoded))[None])
        return keypoints.numpy(), scores.numpy()

    def batch_decode(self, batch_encoded: Union[Tensor, np.ndarray]) -> Tuple[List[np.ndarray], List[np.ndarray]]:
        """Decode the heatmaps of a batch on the device they are on.

        Args:
            batch_encoded (Tensor | np.ndarray): Heatmaps (B, K, H, W).

        Returns:
            tuple: ``keypoints``, a list of B arrays (1, K, 2) in input px, and ``scores``, a list of B arrays (1, K).
        """
        keypoints, scores = self.decode_tensor(torch.as_tensor(batch_encoded))
        return list(keypoints[:, None].cpu().numpy()), list(scores[:, None].cpu().numpy())

    def decode_tensor(self, heatmaps: Tensor) -> Tuple[Tensor, Tensor]:
        """Decode without leaving the device.

        Args:
            heatmaps (Tensor): (B, K, H, W), any floating dtype.

        Returns:
            tuple:
            - keypoints (Tensor): (B, K, 2) in input px, float32.
            - scores (Tensor): (B, K), float32.
        """
        _check_heatmaps(heatmaps, self.heatmap_size)
        heatmaps = heatmaps.detach().float()
        first, second = self._two_highest(heatmaps)
        towards = second - first
        length = torch.linalg.vector_norm(towards, dim=-1, keepdim=True)
        # One and the same pixel (an empty map) has no direction.
        points = first + torch.where(length > 1e-3, self.offset * towards / length.clamp(min=1), 0.)
        last = points.new_tensor(self.heatmap_size) - 1
        points = torch.minimum(points.clamp(min=0), last)

        x, y = points.round().long().unbind(-1)
        values = heatmaps.flatten(2).gather(2, (y * heatmaps.shape[-1] + x)[..., None])[..., 0]
        scale = points.new_tensor(self.scale_factor.tolist())
        return points * scale + scale / 2, values / PEAK + SCORE_OF_NOTHING

    def _two_highest(self, heatmaps: Tensor) -> Tuple[Tensor, Tensor]:
        """Highest and second highest pixel (x, y) of the padded and blurred maps, (B, K, 2) each, in heatmap px."""
        blurred = _blur(F.pad(heatmaps, [self.border] * 4), self.blur_kernel_size)
        width = blurred.shape[-1]
        flat = blurred.flatten(2)
        first = flat.argmax(dim=-1, keepdim=True)
        second = flat.scatter(-1, first, 0.).argmax(dim=-1, keepdim=True)

        def position(index: Tensor) -> Tensor:
            return torch.cat([index % width, torch.div(index, width, rounding_mode='floor')], dim=-1) - self.border

        return position(first).float(), position(second).float()


def _blurred_ones(length: int, kernel_size: int) -> np.ndarray:
    """Row i: a one at i, blurred along the row (mirrored at the ends, OpenCV's default), peak 1. (length, length) float32."""
    blurred = cv2.GaussianBlur(np.eye(length, dtype=np.float32), (kernel_size, 1), 0)
    return blurred / blurred.max(axis=1, keepdims=True)


def _blur(maps: Tensor, kernel_size: int) -> Tensor:
    """OpenCV's GaussianBlur of each map (B, K, H, W) by a square kernel, mirrored at the borders.

    Written as a sum of shifted maps: a convolution would compute in half precision under autocast and in TF32 on a GPU,
    where the peak and its neighbours come out alike; and it is several times slower on a batch.
    """
    kernel = cv2.getGaussianKernel(kernel_size, 0)[:, 0].tolist()
    padded = F.pad(maps, [kernel_size // 2] * 4, mode='reflect')
    return _filter(_filter(padded, kernel, dim=-1), kernel, dim=-2)


def _filter(maps: Tensor, kernel: List[float], dim: int) -> Tensor:
    """Symmetric filter along one axis, which becomes shorter by ``len(kernel) - 1``."""
    radius = len(kernel) // 2
    length = maps.shape[dim] - 2 * radius
    filtered = maps.narrow(dim, radius, length) * kernel[radius]
    for i in range(radius):
        pair = maps.narrow(dim, i, length) + maps.narrow(dim, 2 * radius - i, length)
        filtered.add_(pair, alpha=kernel[i])
    return filtered


def _check_sizes(input_size: Tuple[int, int], heatmap_size: Tuple[int, int]) -> None:
    for side, pixels, cells in zip(('width', 'height'), input_size, heatmap_size):
        if cells < 1 or pixels % cells:
            raise ValueError(
                f'heatmap_size={tuple(heatmap_size)} does not divide input_size={tuple(input_size)}: {side} {pixels} / {cells} '
                f'is not a whole number. Both are (width, height); RSN predicts at a quarter of the input: heatmap_size='
                f'{tuple(side // 4 for side in input_size)}.')


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
