"""The Pose Refine Machine against equation 3 and Figure 3 of the paper."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rsn_mm.models import HeatmapRefineMachine, PoseRefineMachine


def conv(layer: nn.Conv2d, x):
    return F.conv2d(x, layer.weight, layer.bias, padding=layer.padding, groups=layer.groups)


class TestPoseRefineMachine:

    def test_equals_equation_3(self):
        prm = PoseRefineMachine(6).eval()
        x = torch.randn(2, 6, 11, 13)
        with torch.no_grad():
            k = torch.relu(prm.refine.bn(conv(prm.refine.conv, x)))
            first, second = (layer for layer in prm.alpha if isinstance(layer, nn.Conv2d))
            alpha = torch.sigmoid(conv(second, torch.relu(conv(first, k.mean(dim=(2, 3), keepdim=True)))))
            narrow, depthwise, pointwise = (layer for layer in prm.beta if isinstance(layer, nn.Conv2d))
            beta = torch.sigmoid(conv(pointwise, conv(depthwise, conv(narrow, k))))
            expected = k * (1 + beta * alpha)
            torch.testing.assert_close(prm(x), expected, rtol=1e-6, atol=1e-6)
        assert alpha.shape == (2, 6, 1, 1), 'alpha is a weight vector'
        assert beta.shape == (2, 1, 11, 13), 'beta is ONE attention map'

    def test_kernels_of_figure_3(self):
        prm = PoseRefineMachine(6)
        assert prm.refine.conv.kernel_size == (3, 3)
        assert [m.kernel_size for m in prm.alpha if isinstance(m, nn.Conv2d)] == [(1, 1), (1, 1)]
        assert [m.kernel_size for m in prm.beta if isinstance(m, nn.Conv2d)] == [(1, 1), (9, 9), (1, 1)]

    def test_attention_goes_below_a_half(self):
        """No ReLU stands before a sigmoid, as it does in MMPose and in the authors' code."""
        prm = PoseRefineMachine(6).eval()
        x = torch.randn(2, 6, 11, 13)
        with torch.no_grad():
            k = prm.refine(x)
            for path in (prm.alpha, prm.beta):
                last = [m for m in path if isinstance(m, nn.Conv2d)][-1]
                nn.init.constant_(last.bias, -5.)
                assert path(k).max() < .5

    def test_batch_of_one_trains(self, without_gradient):
        prm = PoseRefineMachine(6)
        prm(torch.randn(1, 6, 11, 13)).sum().backward()
        assert without_gradient(prm) == []


class TestHeatmapRefineMachine:

    def test_batch_of_one_trains(self, without_gradient):
        """MMPose's own fails here: its BatchNorm1d wants more than one value a channel."""
        prm = HeatmapRefineMachine(6)
        out = prm(torch.randn(1, 6, 11, 13))
        assert out.isfinite().all()
        out.sum().backward()
        assert all(p.grad is not None for p in prm.parameters())

    def test_batch_of_one_leaves_pooled_statistics_alone(self):
        prm = HeatmapRefineMachine(6)
        before = {name: b.clone() for name, b in prm.named_buffers() if name.startswith('alpha')}
        prm(torch.randn(1, 6, 11, 13))
        torch.testing.assert_close({name: b for name, b in prm.named_buffers() if name.startswith('alpha')}, before)

    def test_batch_of_two_moves_pooled_statistics(self):
        prm = HeatmapRefineMachine(6)
        prm(torch.randn(2, 6, 11, 13))
        assert all(b == 1 for name, b in prm.named_buffers() if name.endswith('num_batches_tracked'))

    @pytest.mark.parametrize('batch_size', [1, 2])
    def test_shape(self, batch_size):
        assert HeatmapRefineMachine(6)(torch.randn(batch_size, 6, 11, 13)).shape == (batch_size, 6, 11, 13)
