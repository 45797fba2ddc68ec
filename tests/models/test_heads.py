"""MultiStageHead: what it computes in training and prediction, its errors, its arguments."""
import inspect
from typing import Any, Callable, List

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmpose.models.utils.tta import flip_heatmaps
from torch import nn

from rsn_mm import registry
from rsn_mm.models import MultiStageHead
from rsn_mm.models.heads import HeatmapPredictor, _check_target
from rsn_mm.models.multi_stage import upsample

CODEC = dict(type='rsn_mm.QuarterOffsetHeatmap', input_size=(64, 64), heatmap_size=(16, 16), kernel_size=5)
DECODERS = {
    'ours': CODEC,
    'Megvii': dict(type='MegviiHeatmap', input_size=(64, 64), heatmap_size=(16, 16), kernel_size=5),
    'MSRA': dict(type='MSRAHeatmap', input_size=(64, 64), heatmap_size=(16, 16), sigma=1.),
    'UDP': dict(type='UDPHeatmap', input_size=(64, 64), heatmap_size=(16, 16), sigma=1.),
}


def features(num_stages: int = 2, num_units: int = 3, channels: int = 8, batch_size: int = 2) -> tuple:
    """Units of 64x64 px images, deep to shallow."""
    return tuple(
        tuple(torch.randn(batch_size, channels, 16 // 2**u, 16 // 2**u) for u in reversed(range(num_units)))
        for _ in range(num_stages))


def head(**kwargs: Any) -> MultiStageHead:
    return MultiStageHead(**{**dict(num_stages=2, num_units=3, in_channels=8, out_channels=5, decoder=CODEC), **kwargs})


class TestForward:

    def test_every_unit_of_every_stage(self):
        net = head().eval()
        feats = features()
        with torch.no_grad():
            expected = [
                upsample(net.predictors[s][u](feats[s][u]), (16, 16)) if u < 2 else net.predictors[s][u](feats[s][u])
                for s in range(2) for u in range(3)
            ]
            torch.testing.assert_close(net(feats), expected)

    def test_predictor_is_conv1x1_then_conv3x3_without_relu(self):
        predictor = HeatmapPredictor(8, 5, dict(type='BN'))
        assert [(m.conv.kernel_size, m.with_activation) for m in predictor] == [((1, 1), True), ((3, 3), False)]

    def test_paper_prm_touches_the_last_unit_of_the_last_stage_alone(self):
        """Section 3.3: "In the last module of multi-stage network"."""
        net = head(prm='features').eval()
        feats = features()
        with torch.no_grad():
            refined = net(feats)
            expected_last = net.predictors[1][2](net.feature_prm(feats[1][2]))
            net.feature_prm = None
            plain = net(feats)
        torch.testing.assert_close(refined[:-1], plain[:-1], rtol=0, atol=0)
        torch.testing.assert_close(refined[-1], expected_last)
        assert (refined[-1] - plain[-1]).abs().max() > 1e-3

    @pytest.mark.parametrize('prm', [None, 'features', 'heatmaps'])
    def test_forward_last_is_the_last_of_forward(self, prm):
        net = head(prm=prm).eval()
        feats = features()
        with torch.no_grad():
            torch.testing.assert_close(net.forward_last(feats), net(feats)[-1], rtol=0, atol=0)

    @pytest.mark.parametrize('prm', [None, 'features', 'heatmaps'])
    @pytest.mark.parametrize('batch_size', [1, 2])
    def test_trains(self, prm, batch_size, make_samples, without_gradient):
        """A batch of one with PRM too; in MMPose its one-dimensional batch norm stops there."""
        net = head(prm=prm)
        losses = net.loss(features(batch_size=batch_size), make_samples(CODEC, batch_size, num_keypoints=5))
        sum(losses.values()).backward()
        missing = without_gradient(net)
        # The pooled path of MMPose's PRM ends in two ReLUs, which may shut all of it.
        assert [name for name in missing if 'heatmap_prms' not in name] == []


class TestPredict:

    @pytest.fixture
    def runs(self, monkeypatch) -> List[nn.Module]:
        """Predictors in the order in which they computed."""
        runs: List[nn.Module] = []
        forward = HeatmapPredictor.forward
        monkeypatch.setattr(HeatmapPredictor, 'forward', lambda self, x: (runs.append(self), forward(self, x))[1])
        return runs

    @pytest.mark.parametrize('flip_test, times', [(False, 1), (True, 2)])
    def test_runs_the_last_unit_alone(self, runs, make_samples, flip_test, times):
        net = head().eval()
        feats = [features(), features()] if flip_test else features()
        net.predict(feats, make_samples(CODEC, num_keypoints=5), dict(flip_test=flip_test))
        assert runs == [net.predictors[1][2]] * times

    @pytest.mark.parametrize('decoder', DECODERS.values(), ids=DECODERS)
    def test_instances(self, decoder, make_samples):
        net = head(decoder=decoder).eval()
        feats = features(batch_size=3)
        with torch.no_grad():
            instances = net.predict(feats, make_samples(CODEC, 3, num_keypoints=5))
            heatmaps = net(feats)[-1].numpy()
        assert len(instances) == 3
        for instance, maps in zip(instances, heatmaps):
            keypoints, scores = net.decoder.decode(maps.copy())
            np.testing.assert_allclose(instance.keypoints, keypoints, atol=1e-4)
            np.testing.assert_allclose(instance.keypoint_scores, scores, atol=1e-4)
            assert instance.keypoints.shape == (1, 5, 2) and instance.keypoint_scores.shape == (1, 5)

    def test_flip_test_averages_without_shift(self, make_samples):
        """Section 4.1. Left and right joints (here all in reverse order) and columns are swapped back."""
        net = head().eval()
        feats, mirrored = features(), features()
        with torch.no_grad():
            _, fields = net.predict([feats, mirrored], make_samples(CODEC, num_keypoints=5),
                                    dict(flip_test=True, output_heatmaps=True))
            expected = (net.forward_last(feats) + net.forward_last(mirrored).flip(3).flip(1)) / 2
        torch.testing.assert_close(torch.stack([field.heatmaps for field in fields]), expected)

    def test_flip_indices_are_sent_to_the_device_once(self, make_samples, monkeypatch):
        """A list would be sent in every batch, and the host wait for it."""
        seen = []

        def recorded(heatmaps, flip_indices, **options):
            seen.append(flip_indices)
            return flip_heatmaps(heatmaps, flip_indices, **options)

        monkeypatch.setattr('rsn_mm.models.heads.flip_heatmaps', recorded)
        net, feats, samples = head().eval(), [features(), features()], make_samples(CODEC, num_keypoints=5)
        for _ in range(2):
            net.predict(feats, samples, dict(flip_test=True))
        assert isinstance(seen[0], torch.Tensor) and seen[0] is seen[1] and seen[0].tolist() == [4, 3, 2, 1, 0]
        samples[0].set_metainfo(dict(flip_indices=[0, 1, 2, 3, 4]))
        net.predict(feats, samples, dict(flip_test=True))
        assert seen[2].tolist() == [0, 1, 2, 3, 4]

    def test_shift_heatmap_is_passed_on(self, make_samples):
        net = head().eval()
        feats = [features(), features()]
        maps = [
            net.predict(feats, make_samples(CODEC, num_keypoints=5),
                        dict(flip_test=True, output_heatmaps=True, shift_heatmap=shift))[1][0].heatmaps
            for shift in (False, True)
        ]
        assert not torch.equal(*maps)

    def test_output_heatmaps(self, make_samples):
        net = head().eval()
        feats = features()
        instances, fields = net.predict(feats, make_samples(CODEC, num_keypoints=5), dict(output_heatmaps=True))
        assert len(instances) == 2 and all(isinstance(field, PixelData) for field in fields)
        torch.testing.assert_close(torch.stack([field.heatmaps for field in fields]), net.forward_last(feats).detach())
        assert not fields[0].heatmaps.requires_grad

    def test_whole_estimator_with_flip_test(self, make_estimator, make_samples):
        net = make_estimator(test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False)).eval()
        batch = dict(inputs=[torch.zeros(3, 64, 64, dtype=torch.uint8)] * 2,
                     data_samples=make_samples(CODEC, num_keypoints=5))
        # The decoder's heatmaps are 16 x 16, the units of this small body 8 x 8 and 16 x 16.
        results = net.test_step(batch)
        assert [r.pred_instances.keypoints.shape for r in results] == [(1, 5, 2)] * 2

    def test_without_decoder(self, make_samples):
        with pytest.raises(RuntimeError, match='decoder has not been set in MultiStageHead'):
            head(decoder=None).predict(features(), make_samples(CODEC, num_keypoints=5))


class TestErrors:

    @pytest.mark.parametrize('num_stages, num_units', [(1, 3), (3, 3), (2, 2), (2, 4)])
    @pytest.mark.parametrize('call', ['forward', 'forward_last'])
    def test_stages_and_units_of_the_backbone(self, call, num_stages, num_units):
        message = rf'gives {num_stages} stages of \[{num_units},?.*num_stages=2 and num_units=3.*len\(num_blocks\)'
        with pytest.raises(ValueError, match=message):
            getattr(head(), call)(features(num_stages, num_units))

    def test_an_encoder_as_backbone(self):
        with pytest.raises(ValueError, match='gives 1 single features.*Give it rsn_mm.RSN'):
            head().forward((torch.zeros(2, 8, 4, 4), ))

    def test_targets_with_offsets(self):
        with pytest.raises(ValueError, match="51 maps, three for each of the 17 joints.*heatmap_type='gaussian'"):
            _check_target(torch.zeros(1, 17, 4, 4), torch.zeros(1, 51, 4, 4))

    def test_channels_of_the_backbone(self):
        with pytest.raises(ValueError, match=r'have 12 channels, .*in_channels=8.*unit_channels'):
            head()(features(channels=12))

    @pytest.mark.parametrize('prm', ['last', True, ''])
    def test_prm(self, prm):
        with pytest.raises(ValueError, match=r"prm=.* is not known: give one of None, 'features', 'heatmaps'"):
            head(prm=prm)

    def test_visibility_rule(self):
        with pytest.raises(ValueError, match=r"visibility_rule='coco' is not known: give one of 'authors', 'mmpose'"):
            head(visibility_rule='coco')

    def test_number_of_losses(self):
        with pytest.raises(ValueError, match=r'loss has 4 entries, but num_stages=2 \* num_units=3 units'):
            head(loss=[dict(type='KeypointMSELoss')] * 4)

    @pytest.mark.parametrize('encoder, num_keypoints', [
        (dict(CODEC, heatmap_size=(32, 32)), 5),
        (CODEC, 7),
    ])
    def test_target_of_other_shape(self, encoder, num_keypoints, make_samples):
        message = r'heatmaps of \(B, K, H, W\) = \(2, 5, 16, 16\), the targets have \(2, .*quarter of its input_size'
        with pytest.raises(ValueError, match=message):
            head().loss(features(), make_samples(encoder, num_keypoints=num_keypoints))

    @pytest.mark.parametrize('num_levels', [2, 5])
    def test_number_of_levels(self, num_levels, make_samples):
        message = rf'targets have {num_levels} levels, .*num_units=3\. .* 3 encoders, 4 for coarse-to-fine'
        with pytest.raises(ValueError, match=message):
            head().loss(features(), make_samples([CODEC] * num_levels, num_keypoints=5))


class TestArguments:
    OTHER = dict(
        num_stages=3,
        num_units=2,
        in_channels=12,
        out_channels=7,
        prm='features',
        visibility_rule='mmpose',
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        encoder=[dict(CODEC, kernel_size=7)],
        decoder=DECODERS['MSRA'],
        norm_cfg=dict(type='GN', num_groups=1),
        init_cfg=dict(type='Constant', layer='Conv2d', val=.5))

    @pytest.mark.parametrize('name', inspect.signature(MultiStageHead).parameters)
    def test_is_alive(self, name, make_samples):

        def fingerprint(**kwargs: Any) -> tuple:
            torch.manual_seed(0)
            net = head(**kwargs)
            net.init_weights()
            feats = features(net.num_stages, net.num_units, net.in_channels)
            k = net.out_channels
            flags = np.ones((2, k))  # all occluded, where the two visibility rules differ
            losses = net.loss(feats, make_samples(CODEC, num_keypoints=k, flags=flags))
            instances = net.eval().predict(feats, make_samples(CODEC, num_keypoints=k))
            return (str(net), [value.item() for value in losses.values()], instances[0].keypoints.tolist(),
                    [p.detach().double().sum().item() for p in net.parameters()])

        assert fingerprint() != fingerprint(**{name: self.OTHER[name]})

    def test_initial_weights(self):
        """Kaiming normal convolutions and unit norms, as the authors do."""
        net = head(in_channels=64, prm='features')
        net.init_weights()
        for predictor in net.predictors[0]:
            assert (predictor[1].bn.weight == 1).all()
        for conv in (net.predictors[0][0][0].conv, net.feature_prm.alpha[1], net.feature_prm.alpha[3]):
            assert conv.weight.std().item() == pytest.approx((2 / 64)**.5, rel=.05)

    def test_eval_can_be_chained(self):
        net = head()
        assert net.eval().train() is net


def call_without_host_copies(monkeypatch: pytest.MonkeyPatch, function: Callable[[], Any]) -> Any:
    """Run a function while every way of a tensor to the host raises."""

    def refuse(self: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        raise AssertionError('a tensor leaves the device: on a GPU the whole queue is waited for')

    with monkeypatch.context() as patch:
        for name in ('cpu', 'numpy', 'item', 'tolist', '__bool__', '__float__', '__int__', '__index__', '__array__',
                     'nonzero'):
            patch.setattr(torch.Tensor, name, refuse)
        return function()


class TestLossOnTheDevice:

    @pytest.mark.parametrize('rule', ['authors', 'mmpose'])
    def test_nothing_is_copied_to_the_host(self, rule, make_samples, monkeypatch):
        """MSPNHead.loss copies its heatmaps at every iteration for an accuracy number."""
        net, feats = head(visibility_rule=rule), features()
        samples = make_samples([CODEC] * 4, num_keypoints=5)
        losses = call_without_host_copies(monkeypatch, lambda: net.loss(feats, samples))
        assert len(losses) == 6

    def test_the_patch_sees_a_copy(self, monkeypatch):
        for copy in (torch.Tensor.cpu, torch.Tensor.numpy, torch.Tensor.item):
            with pytest.raises(AssertionError, match='leaves the device'):
                call_without_host_copies(monkeypatch, lambda copy=copy: getattr(torch.ones(1), copy.__name__)())

    def test_bf16_autocast(self, make_samples):
        net, feats = head(prm='features'), features()
        samples = make_samples([CODEC] * 4, num_keypoints=5)
        expected = net.loss(feats, samples)
        with torch.autocast('cpu', torch.bfloat16):
            losses = net.loss(feats, samples)
        sum(losses.values()).backward()
        for name, value in losses.items():
            assert value.item() == pytest.approx(expected[name].item(), rel=1e-3), name


HEAD = dict(type='mmpose.HeatmapHead', in_channels=16, out_channels=5, loss=dict(type='mmpose.KeypointMSELoss'))


@pytest.mark.parametrize('head', [
    HEAD,
    dict(type='mmpose.RegressionHead', in_channels=16, num_joints=5),
], ids=['HeatmapHead', 'RegressionHead'])
def test_heads_for_single_maps_are_refused_on_stages(make_estimator, head):
    make_estimator()
    with DefaultScope.overwrite_default_scope('rsn_mm'), pytest.raises(
            ValueError, match=f'head={head["type"][7:]}: the backbone RSN gives stages.*MultiStageHead.*RSNEncoder'):
        registry.MODELS.build(dict(type='TopdownPoseEstimator', head=head,
                                   backbone=dict(type='RSN', num_blocks=[1, 1], stem_channels=8, unit_channels=16)))


@pytest.mark.parametrize('neck', [dict(type='mmpose.FPN', in_channels=[16, 16], out_channels=16, num_outs=2),
                                  dict(type='mmpose.GlobalAveragePooling')], ids=['FPN', 'GlobalAveragePooling'])
def test_necks_for_single_maps_are_refused_on_stages(make_estimator, neck):
    make_estimator()
    with DefaultScope.overwrite_default_scope('rsn_mm'), pytest.raises(
            ValueError, match=f'neck={neck["type"][7:]}: the backbone RSN gives stages.*RSNEncoder'):
        registry.MODELS.build(dict(type='TopdownPoseEstimator', neck=neck, head=HEAD,
                                   backbone=dict(type='RSN', num_blocks=[1, 1], stem_channels=8, unit_channels=16)))
