"""Targets of QuarterOffsetHeatmap: blurred ones at every pixel, joints outside, unlabelled, without a position."""
from typing import Any, Tuple

import cv2
import numpy as np
import pytest

from rsn_mm.codecs import QuarterOffsetHeatmap

# (input_size, heatmap_size), both (w, h); the second with another scale on each axis.
SIZES = [((96, 128), (24, 32)), ((60, 96), (20, 24))]


def codec(size: int = 0, kernel_size: int = 7, **kwargs: Any) -> QuarterOffsetHeatmap:
    input_size, heatmap_size = SIZES[size]
    return QuarterOffsetHeatmap(**{**dict(input_size=input_size, heatmap_size=heatmap_size, kernel_size=kernel_size),
                                   **kwargs})


def encode_one(coder: QuarterOffsetHeatmap, x: float, y: float) -> Tuple[np.ndarray, float]:
    encoded = coder.encode(np.array([[[x, y]]], dtype=np.float32))
    return encoded['heatmaps'][0], encoded['keypoint_weights'][0, 0]


class TestEncode:

    @pytest.mark.parametrize('size', [0, 1])
    @pytest.mark.parametrize('kernel_size', [3, 5, 7, 9, 11, 13, 15])
    def test_is_a_blurred_one_at_every_pixel(self, size, kernel_size):
        """GaussianBlur of a one-hot, over its maximum, times 255: at all pixels, those at the borders too."""
        coder = codec(size, kernel_size)
        (w, h), (width, height) = coder.input_size, coder.heatmap_size
        pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2)
        joints = pixels[None] * np.array([w / width, h / height]) + np.array([w / width, h / height]) * .5
        encoded = coder.encode(joints)
        assert encoded['keypoint_weights'].all()
        for (x, y), heatmap in zip(pixels, encoded['heatmaps']):
            reference = np.zeros((height, width), dtype=np.float32)
            reference[y, x] = 1
            reference = cv2.GaussianBlur(reference, (kernel_size, kernel_size), 0)
            np.testing.assert_allclose(heatmap, reference / reference.max() * 255, atol=1e-3)

    @pytest.mark.parametrize('size', [0, 1])
    def test_pixel_is_truncated(self, size):
        """int(x * W / w), int(y * H / h), on random joints."""
        coder = codec(size, 3)
        scale = np.array(coder.heatmap_size) / coder.input_size
        joints = np.random.default_rng(0).uniform(0, np.array(coder.input_size) - 1, (1, 500, 2))
        heatmaps = coder.encode(joints)['heatmaps']
        rows, columns = np.divmod(heatmaps.reshape(500, -1).argmax(axis=1), coder.heatmap_size[0])
        inner = (rows % (coder.heatmap_size[1] - 1) > 0) & (columns % (coder.heatmap_size[0] - 1) > 0)
        assert inner.sum() > 300
        np.testing.assert_array_equal(np.stack([columns, rows], 1)[inner], (joints[0] * scale).astype(int)[inner])

    def test_peak_is_255(self):
        for x, y in [(0, 0), (95, 127), (0, 127), (95, 0), (4, 4), (50.3, 60.7)]:
            assert encode_one(codec(), x, y)[0].max() == pytest.approx(255)

    @pytest.mark.parametrize('x, y', [(-.01, 5), (5, -.01), (95.01, 5), (5, 127.01), (-500, 5), (5, 1e9),
                                      (np.nan, 5), (5, np.nan), (np.inf, 5), (5, -np.inf)])
    def test_joint_outside_is_empty_and_has_no_weight(self, x, y):
        """Truncation towards zero would take -0.01 for pixel 0, as MegviiHeatmap does."""
        heatmap, weight = encode_one(codec(), x, y)
        assert weight == 0 and (heatmap == 0).all()

    @pytest.mark.parametrize('x, y', [(0, 0), (95, 127)])
    def test_first_and_last_pixel_are_inside(self, x, y):
        assert encode_one(codec(), x, y)[1] == 1

    def test_unlabelled_joint_is_empty_and_has_no_weight(self):
        encoded = codec().encode(np.full((1, 3, 2), 20.), np.array([[0, .49, .5]]))
        assert encoded['keypoint_weights'].tolist() == [[0, 0, 1]]
        assert encoded['heatmaps'].max(axis=(1, 2)) == pytest.approx([0, 0, 255])

    def test_visibility_may_be_left_out(self):
        assert codec().encode(np.full((1, 3, 2), 20.))['keypoint_weights'].tolist() == [[1, 1, 1]]

    def test_shapes_and_types(self):
        encoded = codec().encode(np.full((1, 3, 2), 20), np.ones((1, 3)))
        assert encoded['heatmaps'].shape == (3, 32, 24) and encoded['heatmaps'].dtype == np.float32
        assert encoded['keypoint_weights'].shape == (1, 3) and encoded['keypoint_weights'].dtype == np.float32

    def test_inputs_are_not_modified(self):
        joints, visible = np.array([[[20., 20.], [np.nan, 5.], [-3., 4.]]]), np.array([[1., 1., 0.]])
        before = joints.copy(), visible.copy()
        encoded = codec().encode(joints, visible)
        encoded['heatmaps'][:] = 7  # nor may a target be a window on what the codec keeps
        np.testing.assert_array_equal(joints, before[0])
        np.testing.assert_array_equal(visible, before[1])
        assert encode_one(codec(), 20, 20)[0].max() == pytest.approx(255)

    @pytest.mark.parametrize('num_instances', [0, 2])
    def test_one_person_alone(self, num_instances):
        with pytest.raises(ValueError, match=rf"keypoints has {num_instances} instances .*data_mode='topdown'"):
            codec().encode(np.ones((num_instances, 3, 2)))
