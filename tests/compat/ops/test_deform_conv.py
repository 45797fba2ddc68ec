"""Deformable convolution: derivatives, precision, torchvision's kernel. (Compiled op: tests/compat/test_mmcv_ops.py)"""
import mmcv.ops.deform_conv
import mmcv.ops.modulated_deform_conv
import pytest
import torch
import torch.nn.functional as F

from rsn_mm.compat.ops import ext
from rsn_mm.compat.ops.deform_conv import Geometry, deform_conv

GEOMETRY = Geometry(stride=(1, 2), padding=(2, 1), dilation=(2, 1), groups=1, deform_groups=2)


@pytest.fixture(autouse=True)
def our_ops(monkeypatch):
    for module in (mmcv.ops.deform_conv, mmcv.ops.modulated_deform_conv):
        monkeypatch.setattr(module, 'ext_module', ext)


@pytest.fixture
def tensors():
    """Input, offset, mask, weight; the kernel is 3 x 2."""
    return [torch.randn(2, 4, 4, 5, dtype=torch.float64), 1.3 * torch.randn(2, 24, 4, 3, dtype=torch.float64),
            torch.rand(2, 12, 4, 3, dtype=torch.float64), torch.randn(2, 4, 3, 2, dtype=torch.float64)]


def torchvision_deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask):
    """What torchvision's function computes, by way of grid_sample."""
    out_channels, per_group, kernel_h, kernel_w = weight.shape
    groups, taps = input.shape[1] // per_group, kernel_h * kernel_w
    deform_groups = offset.shape[1] // (2 * taps)
    height, width = input.shape[2:]
    out_h, out_w = offset.shape[2:]
    rows = torch.arange(out_h, dtype=input.dtype)[:, None] * stride[0] - padding[0]
    columns = torch.arange(out_w, dtype=input.dtype) * stride[1] - padding[1]
    offset = offset.view(len(input), deform_groups, taps, 2, out_h, out_w)
    sampled = []
    for group, part in enumerate(input.chunk(deform_groups, dim=1)):
        for tap in range(taps):
            y = rows + tap // kernel_w * dilation[0] + offset[:, group, tap, 0]
            x = columns + tap % kernel_w * dilation[1] + offset[:, group, tap, 1]
            grid = torch.stack((2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1), dim=-1)
            values = F.grid_sample(part, grid, align_corners=True)
            sampled.append(values if mask is None else values * mask[:, group * taps + tap, None])
    per_deform_group = torch.stack(sampled, dim=2).unflatten(2, (deform_groups, taps)).transpose(1, 2).flatten(1, 2)
    # as a convolution whose kernel has one column for each tap
    return F.conv2d(per_deform_group.flatten(3), weight.flatten(2)[..., None], bias, groups=groups).view(
        len(input), out_channels, out_h, out_w)


def test_without_offset_it_is_a_convolution():
    features, weight = torch.randn(2, 4, 7, 6), torch.randn(6, 2, 3, 3)
    offset = torch.zeros(2, 18, 4, 3)
    output = mmcv.ops.deform_conv2d(features, offset, weight, 2, 1, 1, 2, 1)
    torch.testing.assert_close(output, F.conv2d(features, weight, None, 2, 1, 1, 2))


def test_derivatives_by_all_tensors(tensors):
    for tensor in tensors:
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda input, offset, mask, weight: deform_conv(input, offset, weight, mask, GEOMETRY), tensors)


def test_batch_equals_its_images_one_by_one(tensors):
    features, offset, mask, weight = tensors
    together = deform_conv(features, offset, weight, mask, GEOMETRY)
    single = [deform_conv(features[i:i + 1], offset[i:i + 1], weight, mask[i:i + 1], GEOMETRY) for i in range(2)]
    torch.testing.assert_close(together, torch.cat(single))


def test_offset_of_the_wrong_shape_is_refused(tensors):
    features, offset, mask, weight = tensors
    with pytest.raises(ValueError, match=r'offset has shape \(2, 12, 4, 3\).*need \(2, 24, 4, 3\)'):
        deform_conv(features, offset[:, :12], weight, mask, GEOMETRY)


def test_taps_that_are_nan_or_far_away_read_nothing(tensors):
    features, offset, _, weight = tensors
    for value in (float('nan'), 1e9, -1e9):
        assert (deform_conv(features, torch.full_like(offset, value), weight, None, GEOMETRY) == 0).all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(tensors, dtype):
    features, offset, mask, weight = (tensor.to(dtype) for tensor in tensors)
    arguments = ((1, 2), (2, 1), (2, 1), 1, 2)
    output = mmcv.ops.modulated_deform_conv2d(features, offset, mask, weight, None, *arguments)
    precise = (tensor.float() for tensor in (features, offset, mask, weight))
    expected = mmcv.ops.modulated_deform_conv2d(*precise, None, *arguments)
    assert output.dtype == dtype
    assert torch.equal(output, expected.to(dtype))


def test_layer_under_autocast_trains():
    layer = mmcv.ops.ModulatedDeformConv2dPack(4, 6, 3, padding=1)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        output = layer(torch.randn(2, 4, 6, 6))
    assert output.dtype == torch.bfloat16
    output.float().pow(2).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in layer.parameters())
    assert layer.weight.grad.abs().sum() > 0 and layer.conv_offset.weight.grad.abs().sum() > 0


@pytest.mark.parametrize('groups', [1, 2])
@pytest.mark.parametrize('modulated', [True, False])
def test_torchvision_kernel_takes_over(tensors, groups, modulated, use_torchvision):
    calls = []

    def kernel(input, offset, weight, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), mask=None):
        calls.append((bias, tuple(stride), tuple(padding), tuple(dilation), mask is None))
        return torchvision_deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)

    features, offset, mask, _ = tensors
    weight = torch.randn(2, 4 // groups, 3, 2, dtype=torch.float64)
    inputs = [features, offset, mask, weight, torch.randn(2).double()] if modulated else [features, offset, weight]
    function = mmcv.ops.modulated_deform_conv2d if modulated else mmcv.ops.deform_conv2d

    def run():
        leaves = [tensor.clone().requires_grad_() for tensor in inputs]
        output = function(*leaves, (1, 2), (2, 1), (2, 1), groups, 2)
        output.backward(torch.linspace(-1, 2, output.numel()).view_as(output).double())
        return [output, *(leaf.grad for leaf in leaves)]

    expected = run()
    use_torchvision(deform_conv2d=kernel, nms=lambda boxes, scores, iou_threshold: torch.tensor([0]))
    for result, pure in zip(run(), expected, strict=True):
        torch.testing.assert_close(result, pure)
    assert set(calls) == {(None, (1, 2), (2, 1), (2, 1), not modulated)}
