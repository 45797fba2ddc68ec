"""Deformable attention as on a GPU, where MMCV calls the op, against a slow loop."""
import mmcv.ops.multi_scale_deform_attn
import numpy as np
import pytest
import torch

from rsn_mm.compat.ops import ext

SHAPES = torch.tensor([[4, 5], [2, 3]])


@pytest.fixture
def tensors():
    """Value, locations (some outside), attention."""
    return [torch.randn(2, 26, 2, 3, dtype=torch.float64),
            torch.rand(2, 4, 2, 2, 3, 2, dtype=torch.float64) * 1.4 - 0.2,
            torch.rand(2, 4, 2, 2, 3, dtype=torch.float64)]


def slow_attention(value, locations, attention):
    output = torch.zeros(2, 4, 2, 3, dtype=torch.float64)
    starts = [0, 20]
    for b, q, h, level, point in np.ndindex(*attention.shape):
        height, width = SHAPES[level].tolist()
        x, y = (locations[b, q, h, level, point] * torch.tensor([width, height]) - 0.5).tolist()
        for row in (int(np.floor(y)), int(np.floor(y)) + 1):
            for column in (int(np.floor(x)), int(np.floor(x)) + 1):
                if 0 <= row < height and 0 <= column < width:
                    weight = (1 - abs(y - row)) * (1 - abs(x - column)) * attention[b, q, h, level, point]
                    output[b, q, h] += weight * value[b, starts[level] + row * width + column, h]
    return output.flatten(2)


def test_forward_is_the_loop(tensors):
    value, locations, attention = tensors
    output = ext.ms_deform_attn_forward(value, SHAPES, torch.tensor([0, 20]), locations, attention, im2col_step=64)
    torch.testing.assert_close(output, slow_attention(*tensors))


def test_function_of_mmcv_has_the_right_derivatives(tensors, monkeypatch):
    monkeypatch.setattr(mmcv.ops.multi_scale_deform_attn, 'ext_module', ext)
    function = mmcv.ops.multi_scale_deform_attn.MultiScaleDeformableAttnFunction
    for tensor in tensors:
        tensor.requires_grad_()
    starts = torch.tensor([0, 20])
    assert torch.autograd.gradcheck(
        lambda value, locations, attention: function.apply(value, SHAPES, starts, locations, attention, 64), tensors)
