"""RoIAlign: precision, borders, torchvision's kernel. (Results of the compiled op: tests/compat/test_mmcv_ops.py)"""
import math

import pytest
import torch

from rsn_mm.compat.ops import ext, roi_align

OPTIONS = {'aligned_height': 3, 'aligned_width': 2, 'spatial_scale': 0.5, 'sampling_ratio': 0, 'pool_mode': 1,
           'aligned': True}


def forward(features, rois, **kwargs):
    """Output, and for the maximum also the positions of it."""
    options = {**OPTIONS, **kwargs}
    output = features.new_full((len(rois), features.shape[1], options['aligned_height'], options['aligned_width']), 7.)
    argmax = [torch.full_like(output, 7.) for _ in range(2)]
    ext.roi_align_forward(features, rois, output, *argmax, **options)
    return (output, *argmax)


def slow_roi_align(features, roi, size, scale, ratio, aligned):
    """One box by loops, each sample being read with bilinear weights."""
    image, x1, y1, x2, y2 = roi.tolist()
    plane, shift = features[int(image)], 0.5 if aligned else 0.
    height, width = plane.shape[1:]
    x1, y1, x2, y2 = (value * scale - shift for value in (x1, y1, x2, y2))
    box_h, box_w = (y2 - y1, x2 - x1) if aligned else (max(y2 - y1, 1.), max(x2 - x1, 1.))
    bin_h, bin_w = box_h / size[0], box_w / size[1]
    rows, columns = (ratio, ratio) if ratio > 0 else (math.ceil(bin_h), math.ceil(bin_w))
    output = plane.new_zeros(plane.shape[0], *size)
    for row in range(size[0] * rows):
        for column in range(size[1] * columns):
            y, x = y1 + (row + 0.5) * bin_h / rows, x1 + (column + 0.5) * bin_w / columns
            if not (-1 <= y <= height and -1 <= x <= width):
                continue
            y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            value = ((plane[:, top, left] * (1 - y + top) + plane[:, bottom, left] * (y - top)) * (1 - x + left) +
                     (plane[:, top, right] * (1 - y + top) + plane[:, bottom, right] * (y - top)) * (x - left))
            output[:, row // rows, column // columns] += value
    return output / max(rows * columns, 1)


def torchvision_roi_align(input, boxes, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False):
    """Has the signature of torchvision's function."""
    options = (output_size, spatial_scale, sampling_ratio, aligned)
    return torch.stack([slow_roi_align(input, box, *options) for box in boxes])


@pytest.fixture
def features():
    return torch.randn(2, 3, 6, 9, dtype=torch.float64)


@pytest.fixture
def rois():
    return torch.tensor([[0, 2.2, 1.1, 13.7, 9.3], [1, -3, -2, 6, 5], [0, 4, 4, 8, 8], [1, 5, 5, 5, 5],
                         [1, 0, 0, 18, 12]], dtype=torch.float64)


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 1, 3])
def test_average_is_that_of_the_loop(features, rois, aligned, ratio):
    output, _, _ = forward(features, rois, aligned=aligned, sampling_ratio=ratio)
    torch.testing.assert_close(output, torchvision_roi_align(features, rois, (3, 2), 0.5, ratio, aligned))


@pytest.mark.parametrize('pool_mode', [0, 1])
def test_result_does_not_depend_on_how_many_samples_are_processed_at_once(features, rois, pool_mode, monkeypatch):
    at_once = forward(features, rois, pool_mode=pool_mode)
    monkeypatch.setattr(roi_align, '_SAMPLES_AT_ONCE', 20)
    for one, other in zip(at_once, forward(features, rois, pool_mode=pool_mode), strict=True):
        assert torch.equal(one, other)


def test_gradient_of_the_average(features, rois):
    assert torch.autograd.gradcheck(
        lambda input: roi_align.average_roi_align(input, rois, (3, 2), 0.5, 0, True), features.requires_grad_())


@pytest.mark.parametrize('pool_mode', [0, 1])
def test_backward_op_adds_to_what_is_there(features, rois, pool_mode):
    _, y, x = forward(features, rois, pool_mode=pool_mode)
    grad_output, results = torch.randn(5, 3, 3, 2, dtype=torch.float64), []
    for start in (0., 1.):
        grad_input = torch.full_like(features, start)
        ext.roi_align_backward(grad_output, rois, y, x, grad_input, **{**OPTIONS, 'pool_mode': pool_mode})
        results.append(grad_input - start)
    torch.testing.assert_close(*results)


def test_gradient_of_the_maximum_goes_to_the_sample_that_it_is(features, rois):
    rois = rois[[0, 2, 4]]  # each bin of them has a sample
    _, y, x = forward(features, rois, pool_mode=0)
    grad_output, grad_input = torch.randn(3, 3, 3, 2, dtype=torch.float64), torch.zeros_like(features)
    ext.roi_align_backward(grad_output, rois, y, x, grad_input, **{**OPTIONS, 'pool_mode': 0})
    step = 1e-6 * torch.randn_like(features)
    change = (forward(features + step, rois, pool_mode=0)[0] - forward(features - step, rois, pool_mode=0)[0]) / 2
    torch.testing.assert_close((grad_input * step).sum(), (grad_output * change).sum(), rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('pool_mode', [0, 1])
def test_half_precision_is_computed_in_float32(features, rois, dtype, pool_mode):
    features, rois = features.to(dtype), rois.to(dtype)
    output, _, _ = forward(features, rois, pool_mode=pool_mode)
    expected, _, _ = forward(features.float(), rois.float(), pool_mode=pool_mode)
    assert output.dtype == dtype
    assert torch.equal(output, expected.to(dtype))


@pytest.mark.parametrize('centre, value', [(-1, 1), (-1.01, 0), (6, 1), (6.01, 0)])
@pytest.mark.parametrize('axis', [0, 1])
def test_up_to_one_pixel_outside_a_sample_takes_the_border(centre, value, axis):
    features = torch.ones(1, 1, 6, 6)
    middle = [2., 2.]
    middle[axis] = centre
    rois = torch.tensor([[0, middle[0] - 2, middle[1] - 2, middle[0] + 2, middle[1] + 2]])
    output, _, _ = forward(features, rois, aligned_height=1, aligned_width=1, spatial_scale=1., sampling_ratio=1,
                           aligned=False)
    assert output.item() == value


def test_a_bin_without_samples(features):
    empty = torch.tensor([[0, 5, 5, 5, 5.], [0, 9, 9, 3, 3.]], dtype=torch.float64)
    assert (forward(features, empty)[0] == 0).all()
    maximum, y, x = forward(features, empty, pool_mode=0)
    assert (maximum == -10000).all() and (y == -1).all() and (x == -1).all()


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
@pytest.mark.parametrize('pool_mode', [0, 1])
def test_boxes_that_are_not_finite_are_refused(features, value, pool_mode):
    with pytest.raises(ValueError, match='rois has coordinates that are NaN or infinite'):
        forward(features, torch.tensor([[0, 1, 1, value, 5]], dtype=torch.float64), pool_mode=pool_mode)


def test_torchvision_kernel_takes_over_the_average(features, rois, use_torchvision):
    calls = []

    def kernel(input, boxes, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False):
        calls.append((tuple(output_size), spatial_scale, sampling_ratio, aligned))
        return torchvision_roi_align(input, boxes, output_size, spatial_scale, sampling_ratio, aligned)

    grad_output = torch.randn(5, 3, 3, 2, dtype=torch.float64)

    def run():
        output, y, x = forward(features, rois)
        grad_input = torch.zeros_like(features)
        ext.roi_align_backward(grad_output, rois, y, x, grad_input, **OPTIONS)
        return output, grad_input

    expected = run()
    use_torchvision(roi_align=kernel, nms=lambda boxes, scores, iou_threshold: torch.tensor([0]))
    for result, pure in zip(run(), expected, strict=True):
        torch.testing.assert_close(result, pure)
    assert calls == [((3, 2), 0.5, 0, True)] * 2
    forward(features, rois, pool_mode=0)
    assert len(calls) == 2
