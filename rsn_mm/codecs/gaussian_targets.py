"""Target heatmaps of all levels of coarse-to-fine supervision: in a worker with NumPy, or on the device of the network."""
from typing import Dict, Optional, Sequence, Tuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn

PEAK = 255.0  # value of a target heatmap at its joint
LABELLED = 0.5  # visibility from which a joint is labelled, as everywhere in MMPose


class GaussianTargets:
    """Draws the Gaussians of one person on all levels in one pass.

    A target is the outer product of two profiles, one a column and one a row of the map. A profile is a one, blurred along its
    axis (mirrored at the ends, OpenCV's default) and scaled so that its peak is 1.

    Args:
        input_size (tuple[int, int]): Input size (w, h) in px.
        heatmap_size (tuple[int, int]): Heatmap size (W, H) in px.
        kernel_sizes (Sequence[int]): Size of the Gaussian of every level in heatmap px.

    Attributes:
        profiles_x (np.ndarray): (L, W, W) float32; row i of a level is the profile of a joint in column i.
        profiles_y (np.ndarray): (L, H, H) float32; row i is the profile of a joint in row i.
    """

    def __init__(self, input_size: Tuple[int, int], heatmap_size: Tuple[int, int], kernel_sizes: Sequence[int]) -> None:
        self.input_size = np.array(input_size)
        self.heatmap_size = np.array(heatmap_size)
        width, height = heatmap_size
        self.profiles_x = np.stack([_blurred_ones(width, size) for size in kernel_sizes])
        self.profiles_y = np.stack([_blurred_ones(height, size) for size in kernel_sizes])
        # A Gaussian touches as many rows of a map as its kernel has; the others stay zero. Of a joint in row i, row i lists for
        # all levels together: those rows, the level of each, and the values in them in the joint's column.
        touched = [_touched_rows(height, size) for size in kernel_sizes]
        self._rows = np.concatenate(touched, axis=1)
        self._levels = np.repeat(np.arange(len(touched)), [rows.shape[1] for rows in touched])
        self._profile_rows = self.profiles_x[self._levels].swapaxes(0, 1).copy()  # (W, rows, W)
        self._peaks = np.float32(PEAK) * np.concatenate(
            [np.take_along_axis(profile, rows, axis=1) for profile, rows in zip(self.profiles_y, touched)], axis=1)

    def draw(self, keypoints: np.ndarray, visible: Optional[np.ndarray] = None) -> Tuple[np.ndarray, np.ndarray]:
        """Draw the targets of one person.

        Args:
            keypoints (np.ndarray): Joints (1, K, 2) in input px.
            visible (np.ndarray, optional): (1, K); from 0.5 on a joint is labelled. Defaults to all labelled.

        Returns:
            tuple:
            - heatmaps (np.ndarray): (L, K, H, W) float32, 0 to 255.
            - weights (np.ndarray): (1, K) float32, 1 for joints that are labelled and inside, else 0.

        Raises:
            ValueError: if there is not exactly one person.
        """
        if keypoints.shape[0] != 1:
            raise ValueError(f'keypoints has {keypoints.shape[0]} instances (shape {keypoints.shape}); a top-down heatmap '
                             "holds one person. Use data_mode='topdown'.")
        if visible is None:
            visible = np.ones(keypoints.shape[:2], dtype=np.float32)
        # NaN compares false: a joint without a position is outside.
        inside = ((keypoints >= 0) & (keypoints <= self.input_size - 1)).all(axis=-1)
        present = (visible >= LABELLED) & inside
        joints = np.flatnonzero(present[0])
        x, y = (keypoints[0, joints] * self.heatmap_size / self.input_size).astype(np.int64).T

        width, height = self.heatmap_size
        num_joints, num_levels = keypoints.shape[1], len(self.profiles_x)
        heatmaps = np.zeros((num_levels, num_joints, height, width), dtype=np.float32)
        rows = (self._levels * num_joints + joints[:, None]) * height + self._rows[y]
        values = self._profile_rows[x]
        values *= self._peaks[y][:, :, None]
        heatmaps.reshape(-1, width)[rows] = values
        return heatmaps, present.astype(np.float32)


def _touched_rows(height: int, kernel_size: int) -> np.ndarray:
    """Rows that the Gaussian of a joint in each row touches, (H, min(k, H))."""
    count = min(kernel_size, height)
    first = (np.arange(height) - kernel_size // 2).clip(0, height - count)
    return first[:, None] + np.arange(count)


class DeviceTargets(nn.Module):
    """The same targets for a batch, drawn on the device that the joints are on. Nothing of it waits for the device.

    Args:
        profiles (GaussianTargets): Sizes and profiles.

    Its tables move with the module and are no part of the ``state_dict``.
    """
    profiles_x: Tensor
    peaks: Tensor

    def __init__(self, profiles: GaussianTargets) -> None:
        super().__init__()
        self.input_size = tuple(profiles.input_size.tolist())
        self.heatmap_size = tuple(profiles.heatmap_size.tolist())
        self.num_levels = len(profiles.profiles_x)
        self.register_buffer('profiles_x', torch.tensor(profiles.profiles_x), persistent=False)
        self.register_buffer('peaks', torch.tensor(np.float32(PEAK) * profiles.profiles_y), persistent=False)

    def forward(self, joints: Tensor) -> 'DrawnTargets':
        """Find the joints' pixels.

        Args:
            joints (Tensor): (B, K, 3) float32: x and y in input px, and the visibility, labelled from 0.5 on.
        """
        x, y, visible = joints.unbind(-1)
        # Sizes are Python numbers: a tensor of them would be copied to the device, and the host wait for that.
        width, height = self.input_size
        present = (visible >= LABELLED) & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)

        def pixels(position: Tensor, cell: float) -> Tensor:
            # Rounded down exactly: a plain quotient of float32 can end up on the next whole number.
            return torch.div(torch.where(present, position, 0.), cell, rounding_mode='floor').long()

        columns, rows = self.heatmap_size
        return DrawnTargets(self, pixels(x, width / columns), pixels(y, height / rows), present.to(joints.dtype))


class DrawnTargets:
    """Targets of a batch whose maps are drawn when they are asked for.

    Args:
        tables (DeviceTargets): Profiles of all levels.
        x, y (Tensor): Pixels of the joints, (B, K) int64 each, in heatmap px.
        weights (Tensor): (B, K), 1 for joints that are labelled and inside, else 0.
    """

    def __init__(self, tables: DeviceTargets, x: Tensor, y: Tensor, weights: Tensor) -> None:
        self.weights = weights
        self.num_levels = tables.num_levels
        self._tables = tables
        self._x, self._y = x, y
        self._maps: Dict[Tuple[int, bool], Tensor] = {}

    def level(self, index: int, keep: Optional[Tensor] = None) -> Tensor:
        """Maps (B, K, H, W) of a level; those of joints where ``keep`` (B, K) is 0 are blank."""
        key = (index, keep is None)
        if key not in self._maps:  # stages share levels
            strength = self.weights if keep is None else self.weights * keep
            columns = strength[..., None] * self._tables.peaks[index][self._y]
            self._maps[key] = columns[..., :, None] * self._tables.profiles_x[index][self._x][..., None, :]
        return self._maps[key]


def _blurred_ones(length: int, kernel_size: int) -> np.ndarray:
    """Row i: a one at i, blurred along the row (mirrored at the ends, OpenCV's default), peak 1. (length, length) float32."""
    blurred = cv2.GaussianBlur(np.eye(length, dtype=np.float32), (kernel_size, 1), 0)
    return blurred / blurred.max(axis=1, keepdims=True)
