"""Targets that the head draws on its device equal those of the data pipeline bit by bit."""
import copy
from typing import Any, List

import numpy as np
import pytest
import torch
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs
from torch import Tensor

from rsn_mm.codecs import DeviceTargets, GaussianTargets
from rsn_mm.models import MultiStageHead
from rsn_mm.transforms import GenerateTarget as OnePassGenerateTarget

KERNELS = (15, 11, 9, 7, 5)
# (input_size, heatmap_size), both (w, h): a whole number of px a cell that is a power of two, and others.
SIZES = [((96, 128), (24, 32)), ((60, 96), (20, 24)), ((72, 96), (24, 32))]
K = 200


def encoder(size: int = 0) -> List[dict]:
    input_size, heatmap_size = SIZES[size]
    return [dict(type='rsn_mm.QuarterOffsetHeatmap', input_size=input_size, heatmap_size=heatmap_size, kernel_size=k)
            for k in KERNELS]


def person(size: int = 0, seed: int = 0) -> dict:
    """Joints all over, on borders and just beside the borders of cells, outside, without a position; some not labelled."""
    rng = np.random.default_rng(seed)
    limit = np.array(SIZES[size][0], dtype=np.float32) - 1
    joints = rng.uniform(-5, limit + 5, (K, 2)).astype(np.float32)
    joints[:60] = joints[:60].round()
    joints[60:80] = np.nextafter(joints[:20], np.float32(-np.inf))
    joints[80:84] = [[0, 0], limit, [limit[0], 0], [0, limit[1]]]
    joints[84:88] = [[np.nan, 5], [5, np.inf], [-.01, 5], [5, limit[1] + .01]]
    return dict(img=np.zeros((8, 8, 3), np.uint8), keypoints=joints[None], transformed_keypoints=joints[None],
                keypoints_visible=rng.choice([0, .49, .5, 1], (1, K)).astype(np.float32))


def packed(step: Any, **kwargs: Any) -> Any:
    return PackPoseInputs(pack_transformed=True)(step(person(**kwargs)))['data_samples']


def samples_with_joints(count: int = 2) -> List[Any]:
    return [packed(lambda results: results, seed=seed) for seed in range(count)]


def samples_with_heatmaps(count: int = 2, step: type = GenerateTarget, levels: slice = slice(None)) -> List[Any]:
    return [packed(step(encoder=encoder()[levels], multilevel=True), seed=seed) for seed in range(count)]


def head(num_stages: int = 2, **kwargs: Any) -> MultiStageHead:
    torch.manual_seed(0)
    return MultiStageHead(num_stages, num_units=4, in_channels=4, out_channels=K, **kwargs)


def features(num_stages: int = 2) -> list:
    generator = torch.Generator().manual_seed(0)
    return [[torch.randn(2, 4, 32 >> u, 24 >> u, generator=generator) for u in reversed(range(4))] for _ in range(num_stages)]


class TestDrawnTargets:

    @pytest.mark.parametrize('size', range(len(SIZES)))
    def test_equal_those_of_a_worker(self, size):
        sample = packed(GenerateTarget(encoder=encoder(size), multilevel=True), size=size)
        given = person(size)
        joints = np.concatenate([given['transformed_keypoints'], given['keypoints_visible'][..., None]], axis=-1)
        drawn = DeviceTargets(GaussianTargets(*SIZES[size], KERNELS))(torch.from_numpy(joints))
        assert torch.equal(drawn.weights, sample.gt_instance_labels.keypoint_weights[0])
        assert 20 < drawn.weights.sum() < 180 and drawn.num_levels == 5
        for level, expected in enumerate(sample.gt_fields.heatmaps):
            assert torch.equal(drawn.level(level)[0], expected)
            keep = (torch.arange(K) % 2)[None].float()
            assert torch.equal(drawn.level(level, keep)[0], expected * keep[0, :, None, None])

    @pytest.mark.parametrize('size', range(len(SIZES)))
    def test_one_pass_equals_the_codecs_one_by_one(self, size):
        ours = OnePassGenerateTarget(encoder=encoder(size), multilevel=True)(person(size))
        stock = GenerateTarget(encoder=encoder(size), multilevel=True)(person(size))
        assert ours.keys() == stock.keys()
        for name in ('heatmaps', 'keypoint_weights'):
            assert len(ours[name]) == len(stock[name]) == 5
            for one, other in zip(ours[name], stock[name]):
                np.testing.assert_array_equal(one, other)
                assert one.dtype == other.dtype == np.float32
        for name in ('field_mapping_table', 'label_mapping_table'):
            assert ours[name] == stock[name]

    @pytest.mark.parametrize('cfg', [
        dict(encoder=dict(type='MSRAHeatmap', input_size=(96, 128), heatmap_size=(24, 32), sigma=2)),
        dict(encoder=encoder()[:1] + [dict(encoder()[0], type='MegviiHeatmap')], multilevel=True),
        dict(encoder=encoder()[0]),
    ])
    def test_other_codecs_are_encoded_as_by_mmpose(self, cfg):
        given = dict(person(), keypoints=np.full((1, 3, 2), 20.), keypoints_visible=np.ones((1, 3)))
        del given['transformed_keypoints']
        ours, stock = (step(**copy.deepcopy(cfg))(dict(given)) for step in (OnePassGenerateTarget, GenerateTarget))
        np.testing.assert_array_equal(np.array(ours['heatmaps']), np.array(stock['heatmaps']))


class TestHead:

    @pytest.mark.parametrize('num_stages', [1, 2])
    @pytest.mark.parametrize('rule', ['authors', 'mmpose'])
    def test_losses_equal(self, rule, num_stages):
        net = head(num_stages, visibility_rule=rule, encoder=encoder())
        feats = features(num_stages)
        expected = net.loss(feats, samples_with_heatmaps())
        got = net.loss(feats, samples_with_joints())
        assert list(got) == list(expected)
        for name, value in got.items():
            assert torch.equal(value, expected[name]), name

    def test_heatmaps_that_arrive_are_used(self):
        """A pipeline with GenerateTarget decides, whatever the encoder."""
        net, feats = head(encoder=encoder()), features()
        other = samples_with_heatmaps(levels=slice(3, 4))
        expected = head().loss(feats, other)
        for name, value in net.loss(feats, other).items():
            assert torch.equal(value, expected[name])
        assert not torch.equal(value, net.loss(feats, samples_with_joints())[name])

    def test_one_stage_draws_no_level_that_it_does_not_use(self, monkeypatch):
        drawn = []
        net = head(1, encoder=encoder())
        forward = DeviceTargets.forward
        monkeypatch.setattr(DeviceTargets, 'forward', lambda self, joints: drawn.append(forward(self, joints)) or drawn[0])
        net.loss(features(1), samples_with_joints())
        assert sorted({level for level, _ in drawn[0]._maps}) == [1, 2, 3, 4]

    def test_visibility_with_weights_beside(self):
        """Combined data sets have visibility and weight, (1, K, 2)."""
        net, feats, samples = head(encoder=encoder()), features(), samples_with_joints()
        expected = net.loss(feats, samples)
        for sample in samples:
            visible = sample.gt_instances.keypoints_visible
            sample.gt_instances.keypoints_visible = np.stack([visible, np.ones_like(visible)], axis=-1)
        assert all(torch.equal(value, expected[name]) for name, value in net.loss(feats, samples).items())

    def test_nothing_waits_for_the_device(self, monkeypatch):

        def refuse(self: Tensor, *args: Any) -> None:
            raise AssertionError('a tensor leaves the device')

        net, feats, samples = head(encoder=encoder()), features(), samples_with_joints()
        for name in ('cpu', 'numpy', 'item', 'tolist', '__bool__', '__float__', '__int__', '__index__', 'nonzero'):
            monkeypatch.setattr(Tensor, name, refuse)
        assert len(net.loss(feats, samples)) == 8

    def test_tables_are_no_part_of_a_checkpoint(self):
        with_encoder = head(encoder=encoder())
        assert with_encoder.state_dict().keys() == head().state_dict().keys()
        assert {name for name, _ in with_encoder.named_buffers()} >= {'device_targets.profiles_x', 'device_targets.peaks'}


class TestErrors:

    def test_other_codec(self):
        with pytest.raises(ValueError, match=r"encoder has codecs \['UDPHeatmap'\], .*GenerateTarget"):
            head(encoder=[dict(type='UDPHeatmap', input_size=(96, 128), heatmap_size=(24, 32))])

    def test_several_sizes(self):
        with pytest.raises(ValueError, match=r'several \(input_size, heatmap_size\)'):
            head(encoder=[encoder(0)[0], encoder(1)[0]])

    def test_no_encoder(self):
        with pytest.raises(ValueError, match=r'the head has no encoder .*encoder=\[\.\.\.\].*GenerateTarget'):
            head().loss(features(), samples_with_joints())

    def test_no_joints(self):
        sample = PackPoseInputs()(person())['data_samples']
        with pytest.raises(ValueError, match=r'neither target heatmaps nor joints .*pack_transformed=True'):
            head(encoder=encoder()).loss(features(), [sample, sample])

    def test_number_of_keypoints(self):
        net = MultiStageHead(2, num_units=4, in_channels=4, out_channels=7, encoder=encoder())
        with pytest.raises(ValueError, match=r'joints \(B, K, \.\.\.\) = \(2, 200, 3\).*out_channels'):
            net.loss(features(), samples_with_joints())
