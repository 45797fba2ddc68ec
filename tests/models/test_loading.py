"""Weights: those of stock MMPose give stock's heatmaps; those of another architecture are refused."""
import pytest
import torch
from mmengine.runner import load_checkpoint, save_checkpoint

from rsn_mm.models import RSN, RSNEncoder


class TestStockWeights:
    """Renaming alone makes stock MMPose's tensors ours: the structure is the released one."""

    @pytest.mark.parametrize('num_stages, use_prm', [(1, False), (3, False), (1, True), (3, True)])
    def test_heatmaps_are_the_same(self, stock_and_ours, num_stages, use_prm):
        # In float64: in float32 two orders of adding, as CPUs choose them, are up to 1e-4 apart through such a deep network.
        stock, stock_head, ours, our_head = (module.double() for module in stock_and_ours(num_stages, use_prm))
        image = torch.randn(2, 3, 64, 48, dtype=torch.float64)
        with torch.no_grad():
            expected = stock_head(stock(image))
            features = ours(image)
            heatmaps = our_head(features)
            last = our_head.forward_last(features)
        assert len(heatmaps) == len(expected) == 4 * num_stages
        for unit, reference in zip([*heatmaps, last], [*expected, expected[-1]]):
            assert (unit - reference).abs().max() < 1e-9 * reference.abs().max()

    def test_encoder_is_the_way_down(self, stock_and_ours):
        _, _, ours, _ = stock_and_ours(1)
        encoder = RSNEncoder(depth=18, out_indices=(0, 1, 2, 3)).eval()
        encoder.load_state_dict({
            name.replace('body.stem', 'stem').replace('body.stages.0.down', 'down'): tensor
            for name, tensor in ours.state_dict().items() if '.up.' not in name
        })
        image = torch.randn(1, 3, 64, 48)
        with torch.no_grad():
            torch.testing.assert_close(encoder(image), tuple(ours.body.stages[0].down(ours.body.stem(image))))


class TestForeignCheckpoint:
    """MMEngine would log what does not fit, go on with random weights, and report an AP of zero."""

    @pytest.fixture
    def load(self, make_estimator, tmp_path):
        """Save one estimator, and load it as ``load_from`` and ``init_model`` do into another."""

        def load(saved, target):
            path = str(tmp_path / 'saved.pth')
            save_checkpoint(dict(state_dict=saved.state_dict(), meta={}), path)
            return load_checkpoint(target, path, map_location='cpu')

        return load

    def test_own_checkpoint_fits(self, make_estimator, load):
        saved, target = make_estimator(), make_estimator()
        load(saved, target)
        torch.testing.assert_close(target.state_dict(), saved.state_dict())

    @pytest.mark.parametrize('backbone, head, message', [
        (dict(num_blocks=[2, 1]), None, r'this RSN: of its \d+ tensors [1-9]\d* are missing \(for example '
         r'body\.stages\.0\.down\.levels\.0\.1\.entry.*\), 0 have another shape, and 0 of .*depth, num_stages'),
        (dict(expansion=4), None, r'It is of expansion 1, this model of expansion 4 .*_wide\).*stem_channels, expansion, out'),
        (dict(num_blocks=[2, 2], num_branches=3), None, r'[1-9]\d* have another shape \(for example .*\(\d+, .*, here'),
        (None, dict(out_channels=7), r'MultiStageHead.* 0 are missing, [1-9]\d* have another shape .*out_channels'),
        (None, dict(prm='features'), r'this MultiStageHead.*are missing \(for example feature_prm'),
    ])
    def test_is_refused(self, make_estimator, load, backbone, head, message):
        with pytest.raises(ValueError, match=message):
            load(make_estimator(), make_estimator(backbone, head))

    @pytest.mark.parametrize('backbone, head, message', [
        (dict(num_blocks=[2, 1]), None, r' 0 are missing, 0 have .* and [1-9]\d* of the checkpoint have no place here '
         r'\(for example body\.stages\.0\.down\.levels\.0\.1'),
        (None, dict(prm='heatmaps'), r'have no place here \(for example heatmap_prms'),
    ])
    def test_surplus_is_refused(self, make_estimator, load, backbone, head, message):
        with pytest.raises(ValueError, match=message):
            load(make_estimator(backbone, head), make_estimator())

    def test_more_stages_than_saved(self, make_estimator, load):
        with pytest.raises(ValueError, match=r'num_stages'):
            load(make_estimator(), make_estimator(dict(num_stages=2), dict(num_stages=2)))

    def test_remedy_is_named(self, make_estimator, load):
        with pytest.raises(ValueError, match=r"init_cfg=dict\(type='Pretrained', .*prefix='backbone\.'\)"):
            load(make_estimator(), make_estimator(dict(num_blocks=[2, 1])))

    def test_encoder_refuses_too(self):
        with pytest.raises(ValueError, match=r'this RSNEncoder: of its \d+ tensors \d+ are missing'):
            RSNEncoder(num_blocks=[2, 1], stem_channels=8, out_indices=(1, )).load_state_dict(
                RSNEncoder(num_blocks=[1, 1], stem_channels=8, out_indices=(1, )).state_dict())

    def test_checkpoint_without_batch_counters_fits(self, make_estimator, load):
        """Old checkpoints have none."""
        saved, target = make_estimator(), make_estimator()
        state = {name: t for name, t in saved.state_dict().items() if 'num_batches_tracked' not in name}
        saved.state_dict = lambda: state
        load(saved, target)
        torch.testing.assert_close({name: target.state_dict()[name] for name in state}, state)


class TestPartsOfAModel:

    def test_strict_false_of_pytorch_is_no_way_around(self, make_estimator):
        """PyTorch does not tell hooks of it, and half a network is no network."""
        source, target = make_estimator(), make_estimator(dict(num_branches=3))
        with pytest.raises(ValueError, match='does not fit this RSN'):
            target.load_state_dict(source.state_dict(), strict=False)

    def test_a_part_is_loaded_into_that_part(self, make_estimator):
        source, target = make_estimator(dict(num_branches=3)), make_estimator()
        target.backbone.body.stem.load_state_dict(source.backbone.body.stem.state_dict())
        assert torch.equal(target.backbone.body.stem[0].conv.weight, source.backbone.body.stem[0].conv.weight)

    def test_strict_of_pytorch_raises_ours(self, make_estimator):
        with pytest.raises(ValueError, match='does not fit this RSN'):
            make_estimator(dict(num_blocks=[2, 1])).load_state_dict(make_estimator().state_dict())


class TestPretrained:

    @pytest.fixture
    def saved(self, make_estimator, tmp_path):
        estimator = make_estimator()
        path = str(tmp_path / 'pretrained.pth')
        save_checkpoint(dict(state_dict=estimator.state_dict(), meta={}), path)
        return estimator, dict(type='Pretrained', checkpoint=path, prefix='backbone.')

    def test_prefix_takes_the_backbone_alone(self, saved, make_estimator):
        source, init_cfg = saved
        target = make_estimator(dict(init_cfg=init_cfg), dict(out_channels=7))
        target.init_weights()
        torch.testing.assert_close(target.backbone.state_dict(), source.backbone.state_dict())

    def test_another_architecture_is_refused(self, saved):
        net = RSN(num_blocks=[2, 1], stem_channels=8, unit_channels=16, init_cfg=saved[1])
        with pytest.raises(ValueError, match='does not fit this RSN'):
            net.init_weights()
