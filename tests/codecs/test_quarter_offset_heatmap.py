"""Decoding of QuarterOffsetHeatmap against a slow reading of its docstring: borders, corners, empty maps; arguments."""
import inspect
from typing import Any, Tuple

import cv2
import numpy as np
import pytest
import torch

from rsn_mm.codecs import QuarterOffsetHeatmap

# (input_size, heatmap_size), both (w, h); the second with another scale on each axis.
SIZES = [((96, 128), (24, 32)), ((60, 96), (20, 24))]


def codec(size: int = 0, kernel_size: int = 7, **kwargs: Any) -> QuarterOffsetHeatmap:
    input_size, heatmap_size = SIZES[size]
    return QuarterOffsetHeatmap(**{**dict(input_size=input_size, heatmap_size=heatmap_size, kernel_size=kernel_size),
                                   **kwargs})


def slow_decode(coder: QuarterOffsetHeatmap, heatmap: np.ndarray) -> Tuple[np.ndarray, float]:
    """One map (H, W), float64, in the words of the docstring."""
    height, width = heatmap.shape
    b, k = coder.border, coder.blur_kernel_size
    padded = np.zeros((height + 2 * b, width + 2 * b))
    padded[b:b + height, b:b + width] = heatmap
    blurred = cv2.GaussianBlur(padded, (k, k), 0)
    y1, x1 = np.unravel_index(blurred.argmax(), blurred.shape)
    blurred[y1, x1] = 0
    y2, x2 = np.unravel_index(blurred.argmax(), blurred.shape)
    p = np.array([x1 - b, y1 - b], dtype=float)
    d = np.array([x2 - x1, y2 - y1], dtype=float)
    if np.linalg.norm(d) > 1e-3:
        p += coder.offset * d / np.linalg.norm(d)
    p = p.clip(0, [width - 1, height - 1])
    x, y = p.round().astype(int)
    scale = np.array(coder.input_size) / coder.heatmap_size
    return p * scale + scale / 2, heatmap[y, x] / 255 + .5


def random_maps(coder: QuarterOffsetHeatmap, count: int = 400) -> np.ndarray:
    """Blobs with peaks all over the map, on its borders and in its corners, on noise; then unusual maps."""
    rng = np.random.default_rng(0)
    width, height = coder.heatmap_size
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    maps = []
    for i in range(count):
        cx, cy = rng.uniform(-1, width), rng.uniform(-1, height)
        if i % 4 == 1:  # on a border
            cx = rng.choice([0, width - 1])
        if i % 4 == 2:
            cy = rng.choice([0, height - 1])
        if i % 4 == 3:  # in a corner
            cx, cy = rng.choice([0, width - 1]), rng.choice([0, height - 1])
        blob = 255 * np.exp(-((x - cx)**2 + (y - cy)**2) / (2 * rng.uniform(.5, 3)**2))
        maps.append(blob + rng.normal(0, rng.choice([.1, 5, 40]), blob.shape))
    maps += list(rng.normal(0, 100, (20, height, width)))  # noise alone
    maps += list(-rng.uniform(1, 100, (5, height, width)))  # negative everywhere
    maps += [np.zeros((height, width))]
    return np.stack(maps).astype(np.float32)


CODECS = {
    'COCO': dict(),
    'MPII': dict(blur_kernel_size=9),
    'other scale on each axis': dict(size=1, blur_kernel_size=5),
    'no border': dict(border=0),
    'narrow border': dict(border=2, blur_kernel_size=3),
    'no offset': dict(offset=0.),
}


class TestDecode:

    @pytest.mark.parametrize('kwargs', CODECS.values(), ids=CODECS)
    def test_equals_slow_reading(self, kwargs):
        """More than 2,500 maps in all, to 1e-4 px."""
        coder = codec(**kwargs)
        maps = random_maps(coder)
        keypoints, scores = coder.decode(maps)
        expected = [slow_decode(coder, heatmap) for heatmap in maps]
        np.testing.assert_allclose(keypoints[0], [p for p, _ in expected], rtol=0, atol=1e-4)
        np.testing.assert_allclose(scores[0], [s for _, s in expected], rtol=0, atol=1e-5)

    def test_maps_reach_borders_and_corners(self):
        """The maps above do what they say."""
        points = codec(offset=0.).decode(random_maps(codec()))[0][0]
        first, last = np.array([2, 2]), np.array([94, 126])
        at_border = (points == first) | (points == last)
        assert at_border.any(axis=1).sum() > 80 and at_border.all(axis=1).sum() > 30

    def test_by_hand(self):
        """A peak at pixel (10, 20), its right neighbour next: 10.25 and 20, times 4, plus half a pixel of 4."""
        heatmap = np.zeros((1, 32, 24), np.float32)
        heatmap[0, 20, 10], heatmap[0, 20, 11] = 255, 200
        keypoints, scores = codec(kernel_size=3).decode(heatmap)
        np.testing.assert_allclose(keypoints, [[[10.25 * 4 + 2, 20 * 4 + 2]]], atol=1e-5)
        np.testing.assert_allclose(scores, [[1.5]])

    def test_no_offset_is_argmax(self):
        coder = codec(kernel_size=3, offset=0.)
        heatmap = np.zeros((1, 32, 24), np.float32)
        heatmap[0, 31, 0] = 255
        np.testing.assert_allclose(coder.decode(heatmap)[0], [[[2, 31 * 4 + 2]]])

    def test_all_zero_map(self):
        keypoints, scores = codec().decode(np.zeros((2, 32, 24), np.float32))
        assert keypoints.tolist() == [[[2, 2], [2, 2]]] and scores.tolist() == [[.5, .5]]

    def test_score_is_of_the_unblurred_map(self):
        heatmap = np.zeros((1, 32, 24), np.float32)
        heatmap[0, 16, 12] = 127.5
        assert codec().decode(heatmap)[1].item() == pytest.approx(1.)

    @pytest.mark.parametrize('batch_size', [0, 1, 3])
    def test_batch_decode_equals_decode(self, batch_size):
        coder = codec()
        maps = random_maps(coder, 9)[:9 * 3].reshape(-1, 3, 32, 24)[:batch_size]
        for given in (maps, torch.from_numpy(maps)):
            keypoints, scores = coder.batch_decode(given)
            assert len(keypoints) == len(scores) == batch_size
            for one, k, s in zip(maps, keypoints, scores):
                np.testing.assert_array_equal(k, coder.decode(one)[0])
                np.testing.assert_array_equal(s, coder.decode(one)[1])

    @pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
    def test_other_precisions(self, dtype):
        """They are decoded in float32, not in their own precision."""
        coder = codec()
        maps = torch.from_numpy(random_maps(coder))[None].to(dtype)
        expected = coder.decode_tensor(maps.float())
        torch.testing.assert_close(coder.decode_tensor(maps), expected, rtol=0, atol=0)
        assert coder.decode_tensor(maps)[0].dtype == torch.float32

    @pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
    def test_autocast_does_not_reach_the_blur(self, dtype):
        """MMEngine's fp16 evaluation predicts under autocast; a blur in half precision makes neighbours alike."""
        coder = codec()
        maps = torch.from_numpy(random_maps(coder))[None]
        expected = coder.decode_tensor(maps)
        with torch.autocast('cpu', dtype):
            torch.testing.assert_close(coder.decode_tensor(maps), expected, rtol=0, atol=0)

    def test_heatmaps_that_need_gradients(self):
        coder = codec()
        maps = torch.from_numpy(random_maps(coder, 4))[None].requires_grad_()
        assert not coder.decode_tensor(maps)[0].requires_grad
        assert len(coder.batch_decode(maps)[0]) == 1

    @pytest.mark.parametrize('border', [0, 10])
    def test_input_is_not_modified(self, border):
        coder = codec(border=border)
        maps = random_maps(coder)
        before = maps.copy()
        coder.decode(maps)
        coder.batch_decode(torch.from_numpy(maps)[None])
        np.testing.assert_array_equal(maps, before)

    def test_read_only_and_strided_arrays(self):
        coder = codec()
        maps = random_maps(coder, 8)
        strided = np.repeat(maps, 2, axis=0)[::2]
        np.testing.assert_array_equal(coder.decode(strided)[0], coder.decode(maps)[0])

    @pytest.mark.parametrize('shape', [(3, 24, 32), (3, 32, 23), (32, 24)])
    def test_heatmaps_of_other_size(self, shape):
        message = r'heatmaps of shape .* do not fit heatmap_size=\(24, 32\) \(width, height\): \(B, K, 32, 24\)'
        with pytest.raises(ValueError, match=message):
            codec().decode(np.zeros(shape, np.float32))


class TestRoundTrip:

    @pytest.mark.parametrize('size', [0, 1])
    @pytest.mark.parametrize('kernel_size', [5, 15])
    def test_error_is_within_the_bound_of_the_rule(self, size, kernel_size):
        """Interior joints. A pixel spans [p, p + 1) and decodes to p + 1/2: half a pixel, and the offset on top.

        At the border the mirrored Gaussian may peak up to two pixels inside.
        """
        coder = codec(size, kernel_size, blur_kernel_size=5)
        scale = np.array(coder.input_size) / coder.heatmap_size
        margin = kernel_size // 2 * scale
        joints = np.random.default_rng(0).uniform(margin, np.array(coder.input_size) - 1 - margin, (1, 400, 2))
        keypoints, scores = coder.decode(coder.encode(joints)['heatmaps'])
        error = np.abs(keypoints - joints) / scale
        assert error.max() <= .5 + .25 + 1e-4
        np.testing.assert_allclose(scores, 1.5, atol=1e-6)


class TestArguments:
    OTHER = dict(input_size=(48, 64), heatmap_size=(12, 16), kernel_size=9, blur_kernel_size=3, border=0, offset=.1)

    @pytest.mark.parametrize('name', inspect.signature(QuarterOffsetHeatmap).parameters)
    def test_is_alive(self, name):

        def fingerprint(**kwargs: Any) -> tuple:
            coder = codec(**kwargs)
            encoded = coder.encode(np.array([[[20., 20.], [41., 50.]]]))['heatmaps']
            return encoded.tolist(), coder.decode(random_maps(coder, 50))[0].tolist()

        assert fingerprint() != fingerprint(**{name: self.OTHER[name]})

    def test_predictions_are_blurred_by_the_targets_kernel_by_default(self):
        assert codec(kernel_size=9).blur_kernel_size == 9

    @pytest.mark.parametrize('input_size, heatmap_size, side', [
        ((96, 128), (25, 32), 'width 96 / 25'),
        ((96, 128), (24, 30), 'height 128 / 30'),
        ((96, 128), (0, 32), 'width 96 / 0'),
    ])
    def test_heatmap_size_that_does_not_divide(self, input_size, heatmap_size, side):
        with pytest.raises(ValueError, match=rf'does not divide input_size=\(96, 128\): {side} .*=\(24, 32\)'):
            codec(input_size=input_size, heatmap_size=heatmap_size)

    def test_the_sizes_that_are_recommended_are_taken(self):
        with pytest.raises(ValueError, match=r'input_size=\(192, 248\), heatmap_size=\(48, 62\)'):
            codec(input_size=(190, 250), heatmap_size=(47, 62))
        codec(input_size=(192, 248), heatmap_size=(48, 62))

    @pytest.mark.parametrize('name', ['kernel_size', 'blur_kernel_size'])
    @pytest.mark.parametrize('value', [1, 4, -3, 0, 49, 5.0, (5, 5)])
    def test_kernel(self, name, value):
        with pytest.raises(ValueError, match=rf'^{name}=.* is not the size of a Gaussian: .*odd integer from 3 to 47'):
            codec(**{name: value})

    @pytest.mark.parametrize('value', [-1, 2.5, None])
    def test_border(self, value):
        with pytest.raises(ValueError, match=r'border=.* at least 0'):
            codec(border=value)

    @pytest.mark.parametrize('value', [-.1, 1])
    def test_offset(self, value):
        with pytest.raises(ValueError, match=r'offset=.* at least 0 and below 1'):
            codec(offset=value)
