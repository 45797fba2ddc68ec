"""RoIPool against a slow loop: MMCV's compiled op has no CPU form to compare with."""
import math

import numpy as np
import pytest
import torch

from rsn_mm.compat.ops import ext, roi_pool


def slow_roi_pool(features, rois, size, scale):
    output = features.new_zeros(len(rois), features.shape[1], *size)
    argmax = torch.full(output.shape, -1, dtype=torch.int32)
    height, width = features.shape[2:]
    for n, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = x1 * scale, y1 * scale, (x2 + 1) * scale, (y2 + 1) * scale
        if x2 <= x1 or y2 <= y1:
            continue
        bin_w, bin_h = (x2 - x1) / size[1], (y2 - y1) / size[0]
        for c, row, column in np.ndindex(features.shape[1], *size):
            rows = range(max(math.floor(row * bin_h + y1), 0), min(math.ceil((row + 1) * bin_h + y1), height))
            columns = range(max(math.floor(column * bin_w + x1), 0), min(math.ceil((column + 1) * bin_w + x1), width))
            plane = features[int(image), c]
            pixels = [(plane[y, x].item(), -(y * width + x)) for y in rows for x in columns]
            if pixels:
                value, position = max(pixels)
                output[n, c, row, column], argmax[n, c, row, column] = value, -position
    return output, argmax


@pytest.fixture
def features():
    # Few different values: equal ones occur in a bin, and the first of them counts.
    return torch.randint(-5, 5, (2, 3, 7, 9)).double()


@pytest.fixture
def rois():
    return torch.tensor([[0, 1, 2, 15, 11], [1, -6, -4, 3, 4], [0, 6, 6, 6, 6], [1, 0, 0, 17, 13], [0, 30, 30, 40, 40],
                         [1, 8, 8, 4, 4], [0, 2.5, 3.5, 9.5, 10.5]], dtype=torch.float64)


def forward(features, rois, size=(3, 2), scale=0.5):
    output = torch.zeros(len(rois), features.shape[1], *size, dtype=features.dtype)
    argmax = torch.zeros(output.shape, dtype=torch.int32)
    ext.roi_pool_forward(
        features, rois, output, argmax, pooled_height=size[0], pooled_width=size[1], spatial_scale=scale)
    return output, argmax


@pytest.mark.parametrize('at_once', [1, 2, 100])
@pytest.mark.parametrize('size', [(1, 1), (3, 2), (7, 7)])
def test_output_and_positions_are_those_of_the_loop(features, rois, size, at_once, monkeypatch):
    monkeypatch.setattr(roi_pool, '_BOXES_AT_ONCE', at_once)
    for result, expected in zip(forward(features, rois, size), slow_roi_pool(features, rois, size, 0.5), strict=True):
        assert torch.equal(result, expected)


def test_no_boxes(features):
    output, _ = forward(features, torch.zeros(0, 5, dtype=torch.float64))
    assert output.shape == (0, 3, 3, 2)


def test_gradient_goes_to_the_maxima_only(features, rois):
    output, argmax = forward(features, rois)
    grad_output, grad_input = torch.rand_like(output), torch.ones_like(features)
    ext.roi_pool_backward(grad_output, rois, argmax, grad_input, pooled_height=3, pooled_width=2, spatial_scale=0.5)
    expected = torch.ones_like(features)
    for n, c, row, column in np.ndindex(*output.shape):
        position = argmax[n, c, row, column].item()
        if position >= 0:
            expected[int(rois[n, 0]), c].view(-1)[position] += grad_output[n, c, row, column]
    torch.testing.assert_close(grad_input, expected)


def test_half_precision(features, rois):
    output, argmax = forward(features.half(), rois.half())
    expected, expected_argmax = forward(features, rois)
    assert output.dtype == torch.float16
    assert torch.equal(output.double(), expected) and torch.equal(argmax, expected_argmax)
