"""RSNEncoder where ResNet stands: its own arguments, and MMPose's configs with nothing but the backbone changed."""
import pytest
import torch
from mmengine.config import Config
from mmengine.utils import import_modules_from_strings
from mmpose.registry import MODELS
from mmpose.testing import get_packed_inputs
from torch.nn.modules.batchnorm import _BatchNorm

from rsn_mm.models import RSN, RSNEncoder


def encoder(**kwargs) -> RSNEncoder:
    return RSNEncoder(**{**dict(num_blocks=[1, 1, 1, 1], stem_channels=8, out_indices=(0, 1, 2, 3)), **kwargs})


class TestOutIndices:

    def test_sizes_of_resnet(self):
        shapes = [tuple(f.shape) for f in encoder()(torch.randn(2, 3, 64, 96))]
        assert shapes == [(2, 8, 16, 24), (2, 16, 8, 12), (2, 32, 4, 6), (2, 64, 2, 3)]

    def test_order_is_kept(self):
        assert [f.shape[1] for f in encoder(out_indices=(2, 0))(torch.randn(1, 3, 64, 96))] == [32, 8]

    def test_result_is_a_tuple_with_one_index_too(self):
        features = encoder(out_indices=(1, ))(torch.randn(1, 3, 64, 96))
        assert isinstance(features, tuple) and len(features) == 1

    def test_deeper_levels_are_not_built(self):
        """They would stay without a gradient, which DDP refuses."""
        assert len(encoder(out_indices=(1, )).down.levels) == 2

    def test_default_channels(self):
        with torch.device('meta'):
            assert RSNEncoder()(torch.empty(1, 3, 64, 64))[0].shape == (1, 512, 2, 2)

    @pytest.mark.parametrize('out_indices', [(), (4, ), (-1, ), (0, 4)])
    def test_wrong(self, out_indices):
        with pytest.raises(ValueError, match=r'out_indices=\(.*\) must name levels from 0 to 3 .*out_indices=\(3, \)'):
            encoder(out_indices=out_indices)

    @pytest.mark.parametrize('out_indices', [3, None])
    def test_no_list(self, out_indices):
        with pytest.raises(ValueError, match=f'out_indices={out_indices} must be a list or tuple of levels'):
            encoder(out_indices=out_indices)


class TestFrozenStages:

    @pytest.mark.parametrize('frozen_stages', [-1, 0, 1, 2, 3, 4])
    def test_freezes_stem_and_levels(self, frozen_stages):
        net = encoder(frozen_stages=frozen_stages).train()
        for number, part in enumerate([net.stem, *net.down.levels]):
            frozen = number <= frozen_stages
            assert all(p.requires_grad is not frozen for p in part.parameters()), number
            assert all(m.training is not frozen for m in part.modules()), number

    def test_frozen_part_stays_as_it_is_in_training(self):
        net = encoder(frozen_stages=1).train()
        before = {name: t.clone() for name, t in net.state_dict().items()}
        optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=.1)
        net(torch.randn(2, 3, 64, 64))[-1].square().sum().backward()
        optimizer.step()
        for name, tensor in net.state_dict().items():
            frozen = name.startswith(('stem', 'down.levels.0'))
            assert torch.equal(tensor, before[name]) is frozen, name

    @pytest.mark.parametrize('frozen_stages', [-2, 5, 1.5])
    def test_wrong(self, frozen_stages):
        with pytest.raises(ValueError, match=r'frozen_stages=.* must be from -1 \(nothing\) to 4'):
            encoder(frozen_stages=frozen_stages)


class TestWholeNetwork:

    @staticmethod
    def network(**kwargs) -> RSN:
        return RSN(num_blocks=[1, 1], num_stages=3, stem_channels=8, unit_channels=8, **kwargs)

    @pytest.mark.parametrize('frozen_stages', [-1, 0, 2, 3])
    def test_stem_and_whole_stages_stay_as_they_are(self, frozen_stages):
        net = self.network(frozen_stages=frozen_stages).train()
        before = {name: t.clone() for name, t in net.state_dict().items()}
        trained = [p for p in net.parameters() if p.requires_grad]
        if trained:
            torch.stack([u.square().sum() for stage in net(torch.randn(2, 3, 32, 32)) for u in stage]).sum().backward()
            torch.optim.SGD(trained, lr=.1).step()
        for number, part in enumerate([net.body.stem, *net.body.stages]):
            prefix = 'body.stem.' if number == 0 else f'body.stages.{number - 1}.'
            changed = any(not torch.equal(t, before[name]) for name, t in net.state_dict().items() if name.startswith(prefix))
            assert changed is (number > frozen_stages), prefix
            assert all(m.training is (number > frozen_stages) for m in part.modules())

    def test_statistics_stay_while_training(self):
        net = self.network(norm_eval=True).train()
        assert not any(m.training for m in net.modules() if isinstance(m, _BatchNorm)) and net.training

    def test_wrong(self):
        with pytest.raises(ValueError, match=r'frozen_stages=4 must be from -1 \(nothing\) to 3 \(all stages\)'):
            self.network(frozen_stages=4)


class TestNormEval:

    @pytest.mark.parametrize('norm_eval', [False, True])
    def test_statistics_stay_while_training(self, norm_eval):
        net = encoder(norm_eval=norm_eval).train()
        norms = [m for m in net.modules() if isinstance(m, _BatchNorm)]
        assert all(norm.training is not norm_eval for norm in norms)
        assert all(m.training for m in net.modules() if not isinstance(m, _BatchNorm))
        net(torch.randn(2, 3, 64, 64))
        assert {int(norm.num_batches_tracked) for norm in norms} == {0 if norm_eval else 1}


# What a user writes: the backbone, and the channels it hands on.
CONFIG = """
_base_ = 'mmpose::body_2d_keypoint/{base}.py'
custom_imports = dict(imports=['rsn_mm'])
model = dict(
    backbone=dict(_delete_=True, type='rsn_mm.RSNEncoder', depth=18),
    head=dict(in_channels=512))
"""


class TestInMMPose:

    @pytest.mark.parametrize('base, fields', [
        ('topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192', ['loss_kpt']),
        ('simcc/coco/simcc_res50_8xb64-210e_coco-256x192', ['loss_kpt']),
        ('rtmpose/coco/rtmpose-s_8xb256-420e_coco-256x192', ['loss_kpt']),
        ('rtmpose/coco/rtmpose-m_8xb256-420e_coco-256x192', ['loss_kpt']),
    ], ids=['HeatmapHead', 'SimCCHead', 'RTMPose-s', 'RTMPose-m'])
    def test_stands_in_place_of_their_backbone(self, base, fields, tmp_path, scope, without_gradient):
        file = tmp_path / 'config.py'
        file.write_text(CONFIG.format(base=base))
        cfg = Config.fromfile(str(file))
        import_modules_from_strings(**cfg.custom_imports)
        scope(cfg.default_scope)
        assert cfg.default_scope == 'mmpose'
        model = MODELS.build(cfg.model)
        assert isinstance(model.backbone, RSNEncoder)

        batch = model.data_preprocessor(get_packed_inputs(2), training=True)
        losses = model(batch['inputs'], batch['data_samples'], mode='loss')
        assert set(fields) <= set(losses)
        sum(loss for name, loss in losses.items() if name.startswith('loss')).backward()
        assert without_gradient(model.backbone) == []

        with torch.no_grad():
            results = model.eval()(batch['inputs'], batch['data_samples'], mode='predict')
        assert [r.pred_instances.keypoints.shape for r in results] == [(1, 17, 2)] * 2
