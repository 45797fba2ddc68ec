"""The head's losses against the authors' formula and MMPose's, written out as loops."""
from typing import Any, Dict, List

import numpy as np
import pytest
import torch
from mmpose.models.losses import KeypointOHKMMSELoss as MMPoseOHKM
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rsn_mm.models import KeypointOHKMMSELoss, MultiStageHead
from rsn_mm.registry import MODELS

K = 10  # more than the 8 joints that OHKM keeps
KERNELS = (15, 11, 9, 7, 5)


def codec(kernel_size: int) -> dict:
    return dict(type='rsn_mm.QuarterOffsetHeatmap', input_size=(64, 64), heatmap_size=(16, 16), kernel_size=kernel_size)


def features(num_stages: int, num_units: int = 4) -> tuple:
    return tuple(tuple(20 * torch.randn(2, 8, 16, 16) for _ in range(num_units)) for _ in range(num_stages))


def head(num_stages: int, **kwargs: Any) -> MultiStageHead:
    return MultiStageHead(num_stages, num_units=4, in_channels=8, out_channels=K, **kwargs)


@pytest.fixture
def flags() -> np.ndarray:
    """COCO's flags of two persons, all three kinds in both."""
    return np.array([[2, 1, 0, 2, 2, 1, 2, 2, 2, 2], [0, 0, 0, 1, 1, 2, 2, 1, 2, 0]])


def mean_square(a: Tensor, b: Tensor) -> float:
    return float(((a.double() - b.double())**2).mean())


def authors_losses(maps: List[Tensor], targets: List[List[Tensor]], flags: np.ndarray,
                   num_stages: int) -> Dict[str, float]:
    """JointsL2Loss of the released code: person by person, joint by joint.

    Plain units: the target of a joint with v < 2 is zero, all its pixels count, a quarter of the mean is taken. Last
    unit of a stage: the mean of the 8 largest joint losses, those of v = 0 being zero.
    """
    losses = {}
    for stage in range(num_stages):
        for unit in range(4):
            level = unit + (1 if stage == num_stages - 1 else 0)
            total = 0.
            for person, visible in enumerate(flags):
                joints = []
                for k in range(K):
                    heatmap, target = maps[stage * 4 + unit][person, k], targets[person][level][k]
                    if unit < 3:
                        joints.append(mean_square(heatmap, target * (visible[k] > 1)))
                    else:
                        joints.append(mean_square(heatmap, target) * (visible[k] > 0))
                total += sum(joints) / K / 4 if unit < 3 else sum(sorted(joints)[-8:]) / 8
            losses[f'loss_s{stage + 1}u{unit + 1}'] = total / len(flags)
    return losses


class TestAuthorsRule:

    @pytest.mark.parametrize('num_stages', [1, 2, 3])
    def test_equals_the_released_formula(self, num_stages, flags, make_samples):
        """Also: loss keys, and the choice of levels in coarse-to-fine supervision."""
        net, feats = head(num_stages), features(num_stages)
        samples = make_samples([codec(k) for k in KERNELS], num_keypoints=K, flags=flags)
        # The target of an unlabelled joint is empty anyway; that of an occluded one must be blotted out.
        targets = [sample.gt_fields.heatmaps for sample in samples]
        assert targets[0][0][1].max() == 255 and targets[0][0][2].max() == 0
        with torch.no_grad():
            losses = {name: float(value) for name, value in net.loss(feats, samples).items()}
            expected = authors_losses(net(feats), targets, flags, num_stages)
        assert list(losses) == list(expected)
        assert losses == pytest.approx(expected, rel=1e-5)

    def test_occluded_joints_are_plain_without_the_flags(self, flags, make_samples):
        """A pipeline without LoadVisibility has v = 1 and v = 2 merged: then both count as visible."""
        net, feats = head(1), features(1)
        samples = make_samples([codec(k) for k in KERNELS], num_keypoints=K, flags=flags)
        for sample, row in zip(samples, flags):
            sample.gt_instances.keypoints_visible = np.minimum(row, 1)[None].astype(np.float32)
        with torch.no_grad():
            losses = {name: float(value) for name, value in net.loss(feats, samples).items()}
            expected = authors_losses(net(feats), [s.gt_fields.heatmaps for s in samples], np.where(flags, 2, 0), 1)
        assert losses == pytest.approx(expected, rel=1e-5)

    def test_fewer_joints_than_ohkm_keeps(self, make_samples):
        net = MultiStageHead(1, num_units=4, in_channels=8, out_channels=5)
        assert len(net.loss(features(1), make_samples(codec(5), num_keypoints=5))) == 4


class TestLevels:

    @pytest.mark.parametrize('num_levels, expected', [
        (1, [0, 0, 0, 0, 0, 0, 0, 0]),
        (4, [0, 1, 2, 3, 0, 1, 2, 3]),
        (5, [0, 1, 2, 3, 1, 2, 3, 4]),
    ])
    def test_coarse_to_fine(self, num_levels, expected, make_samples):
        """DESIGN section 2: unit u of a stage takes kernel u, of the LAST stage kernel u + 1."""
        net, feats = head(2, loss=dict(type='KeypointMSELoss')), features(2)
        encoder = [codec(k) for k in KERNELS[:num_levels]] if num_levels > 1 else codec(5)
        samples = make_samples(encoder, num_keypoints=K)
        with torch.no_grad():
            losses, maps = net.loss(feats, samples), net(feats)
        for i, (value, level) in enumerate(zip(losses.values(), expected)):
            heatmaps = [s.gt_fields.heatmaps for s in samples]
            target = torch.stack([h if isinstance(h, Tensor) else h[level] for h in heatmaps])
            assert float(value) == pytest.approx(mean_square(maps[i], target), rel=1e-5), i


class TestOtherCodecs:

    @pytest.mark.parametrize('encoder', [
        dict(type='MSRAHeatmap', input_size=(64, 64), heatmap_size=(16, 16), sigma=1.),
        dict(type='UDPHeatmap', input_size=(64, 64), heatmap_size=(16, 16), sigma=1.),
        dict(type='MegviiHeatmap', input_size=(64, 64), heatmap_size=(16, 16), kernel_size=5),
    ], ids=lambda cfg: cfg['type'])
    @pytest.mark.parametrize('multilevel', [False, True])
    def test_their_targets(self, encoder, multilevel, make_samples):
        net, feats = head(2), features(2)
        losses = net.loss(feats, make_samples([encoder] * 4 if multilevel else encoder, num_keypoints=K))
        assert list(losses) == [f'loss_s{s}u{u}' for s in (1, 2) for u in (1, 2, 3, 4)]
        assert all(torch.isfinite(value) for value in losses.values())


class TestMMPoseRule:

    def test_equals_stock_head(self, flags, make_samples, stock_and_ours):
        """visibility_rule='mmpose' is MSPNHead.loss, unit by unit: unlabelled joints are left out everywhere."""
        losses = ([dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=.25)] * 3 +
                  [dict(type='KeypointOHKMMSELoss', use_target_weight=True, topk=8)])
        _, stock, backbone, ours = stock_and_ours(1, visibility_rule='mmpose', loss=losses)
        flags = np.concatenate([flags, flags[:, :7]], axis=1)
        samples = make_samples([dict(codec(k), heatmap_size=(12, 16), input_size=(48, 64)) for k in KERNELS[:4]],
                               num_keypoints=17, flags=flags, input_size=(48, 64))
        with torch.no_grad():
            feats = [[10 * unit for unit in stage] for stage in backbone(torch.randn(2, 3, 64, 48))]
            expected = stock.loss(feats, samples)['loss_kpt']
            got = ours.loss(feats, samples)
        assert float(sum(got.values())) == pytest.approx(float(expected), rel=1e-6)

    def test_default_losses_leave_unlabelled_joints_out(self, flags, make_samples):
        net, feats = head(1, visibility_rule='mmpose'), features(1)
        samples = make_samples([codec(k) for k in KERNELS[:4]], num_keypoints=K, flags=flags)
        weights = torch.from_numpy(flags > 0)
        with torch.no_grad():
            losses, maps = list(net.loss(feats, samples).values()), net(feats)
        for unit in range(3):
            target = torch.stack([s.gt_fields.heatmaps[unit] for s in samples])
            square = ((maps[unit] - target)**2).mean(dim=(2, 3)) * weights
            assert float(losses[unit]) == pytest.approx(float(square.mean()) / 4, rel=1e-5)


class TestHardestJoints:
    """KeypointOHKMMSELoss is MMPose's, in operators whose number does not depend on joints and persons."""

    @pytest.mark.parametrize('weighted', [False, True])
    @pytest.mark.parametrize('num_keypoints, topk', [(17, 8), (133, 63), (5, 5)])
    def test_equals_mmposes(self, weighted, num_keypoints, topk):
        generator = torch.Generator().manual_seed(0)
        output, target = torch.randn(2, 4, num_keypoints, 8, 6, generator=generator)
        weights = torch.tensor([0., .5, 1., 2.])[torch.randint(4, (4, num_keypoints), generator=generator)]
        options = dict(use_target_weight=weighted, topk=topk, loss_weight=.7)
        values, gradients = [], []
        for kind in (MMPoseOHKM, KeypointOHKMMSELoss):
            maps = output.clone().requires_grad_()
            value = kind(**options)(maps, target, weights)
            value.backward()
            values.append(value.item())
            gradients.append(maps.grad)
        assert values[1] == pytest.approx(values[0], rel=1e-6)
        torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-5, atol=1e-7 * float(gradients[0].abs().max()))

    def test_few_operators(self):
        counts = []
        for kind, batch, joints in ((KeypointOHKMMSELoss, 2, 9), (KeypointOHKMMSELoss, 16, 33), (MMPoseOHKM, 16, 33)):
            with Kernels() as kernels:
                maps = torch.zeros(batch, joints, 4, 4, requires_grad=True)
                targets = torch.ones(batch, joints, 4, 4), torch.ones(batch, joints)
                kind(use_target_weight=True, topk=8)(maps, *targets).backward()
            counts.append(kernels.count)
        assert counts[0] == counts[1] < 40 < counts[2]

    def test_is_the_default_and_what_a_config_of_ours_gets(self, scope):
        assert type(head(1).loss_modules[-1]) is KeypointOHKMMSELoss
        scope('rsn_mm')
        assert type(MODELS.build(dict(type='KeypointOHKMMSELoss'))) is KeypointOHKMMSELoss
        assert type(MODELS.build(dict(type='mmpose.KeypointOHKMMSELoss'))) is MMPoseOHKM

    def test_more_than_there_are(self):
        with pytest.raises(ValueError, match='topk=8 .* more than the 5 joints'):
            KeypointOHKMMSELoss()(*torch.zeros(2, 1, 5, 4, 4), torch.ones(1, 5))


class Kernels(TorchDispatchMode):

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))
