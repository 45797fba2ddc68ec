"""``load_from`` takes stock MMPose's checkpoints as they are, every tensor accounted for."""
import pytest
import torch
from mmengine.runner import load_checkpoint
from mmpose.apis import init_model

from rsn_mm.models import RSN, RSNEncoder

# Where MMPose counts layers from 1, this is the last of a block.
LAST_OF_A_BLOCK = 'backbone.multi_stage_rsn.0.downsample.layer1.1.conv_bn3.conv.weight'


@pytest.fixture
def load(tmp_path):
    """Save a state dict and load it into a model as ``load_from`` and ``init_model`` do."""

    def load(state, model):
        path = str(tmp_path / 'stock.pth')
        torch.save(dict(state_dict=dict(state), meta={}), path)
        load_checkpoint(model, path, map_location='cpu')
        return model

    return load


class TestHeatmapsOfStockMMPose:

    @pytest.mark.parametrize('num_stages', [1, 3])
    @pytest.mark.parametrize('use_prm', [False, True])
    def test_rsn(self, make_stock, make_ours, load, assert_same_heatmaps, num_stages, use_prm):
        stock = make_stock(num_stages, use_prm)
        ours = load(stock.state_dict(), make_ours(num_stages, 'heatmaps' if use_prm else None))
        assert_same_heatmaps(stock, ours)

    @pytest.mark.parametrize('num_stages, use_prm', [(1, False), (2, True)])
    def test_mspn(self, make_stock, make_ours, load, assert_same_heatmaps, num_stages, use_prm):
        stock = make_stock(num_stages, use_prm, family='MSPN')
        ours = make_ours(num_stages, 'heatmaps' if use_prm else None, block='resnet', expansion=4)
        assert_same_heatmaps(stock, load(stock.state_dict(), ours))

    def test_another_number_of_branches_and_levels(self, make_stock, make_ours, load, assert_same_heatmaps):
        stock = make_stock(num_steps=3, num_blocks=[1, 1, 2], num_stages=2)
        ours = make_ours(num_branches=3, num_blocks=[1, 1, 2], num_stages=2)
        assert_same_heatmaps(stock, load(stock.state_dict(), ours))

    @pytest.mark.parametrize('before, after', [('', 'module.'), ('head.', 'keypoint_head.')])
    def test_names_of_old_files(self, make_stock, make_ours, load, assert_same_heatmaps, before, after):
        stock = make_stock()
        state = {after + name[len(before):] if name.startswith(before) else name: tensor
                 for name, tensor in stock.state_dict().items()}
        assert_same_heatmaps(stock, load(state, make_ours()))

    def test_shipped_config(self, make_stock, config_dir, tmp_path, assert_same_heatmaps):
        stock = make_stock(num_blocks=[2, 2, 2, 2], unit_channels=256, out_channels=17)
        path = str(tmp_path / 'stock.pth')
        torch.save(dict(state_dict=stock.state_dict(), meta={}), path)
        assert_same_heatmaps(stock, init_model(str(config_dir / 'rsn18_coco_256x192.py'), path, device='cpu'))


class TestEveryTensorCounts:

    def test_a_missing_one_is_named(self, make_stock, make_ours, load):
        state = make_stock().state_dict()
        del state[LAST_OF_A_BLOCK]
        with pytest.raises(ValueError, match=r'1 are missing \(for example body.stages.0.down.levels.0.1.exit.conv.weight\)'):
            load(state, make_ours())

    @pytest.mark.parametrize('name', ['backbone.multi_stage_rsn.0.downsample.layer1.0.conv_bn_relu4.conv.weight',
                                      'backbone.multi_stage_rsn.0.upsample.up1.up_conv.conv.weight',
                                      'backbone.multi_stage_rsn.1.upsample.up1.in_skip.conv.weight',
                                      'backbone.multi_stage_rsn.0.upsample.up1.cross_conv.conv.weight',
                                      'backbone.top.top.0.conv.bias', 'head.predict_layers.2.conv_layers.0.conv.weight',
                                      'head.predict_layers.0.conv_layers.2.conv.weight'])
    def test_an_extra_one_is_refused(self, make_stock, make_ours, load, name):
        state = make_stock().state_dict()
        state[name] = torch.zeros(1)
        with pytest.raises(ValueError, match=' 0 are missing, 0 have another shape, and 1 of the checkpoint have no place'):
            load(state, make_ours())

    @pytest.mark.parametrize('stock, ours', [(dict(num_stages=2), {}), ({}, dict(num_stages=2)), (dict(use_prm=True), {}),
                                             ({}, dict(prm='heatmaps')), (dict(num_steps=3), {}),
                                             (dict(family='MSPN'), {}), (dict(num_blocks=[1, 1, 1]), {})])
    def test_another_architecture_is_refused(self, make_stock, make_ours, load, stock, ours):
        with pytest.raises(ValueError, match='This checkpoint does not fit this (RSN|MultiStageHead)'):
            load(make_stock(**stock).state_dict(), make_ours(**ours))

    def test_files_of_the_authors_are_refused_with_the_remedy(self, make_ours, tmp_path):
        torch.save(dict(model={'top.conv.conv.weight': torch.zeros(1)}), tmp_path / 'iter.pth')
        with pytest.raises(ValueError, match='convert_checkpoint.py'):
            load_checkpoint(make_ours(), str(tmp_path / 'iter.pth'))


class TestEncoder:

    @pytest.mark.parametrize('out_indices', [(0, 1), (0, )])
    @pytest.mark.parametrize('whose', ['stock', 'ours'])
    def test_takes_the_way_down_of_the_first_stage(self, make_stock, make_ours, load, out_indices, whose):
        source = make_stock(2) if whose == 'stock' else make_ours(2)
        whole = load(source.state_dict(), make_ours(2)).backbone.eval()
        encoder = RSNEncoder(num_blocks=[2, 1], out_indices=out_indices).eval()
        encoder.load_state_dict(source.backbone.state_dict())
        image = torch.randn(1, 3, 64, 48)
        with torch.no_grad():
            levels = whole.body.stages[0].down(whole.body.stem(image))
            torch.testing.assert_close(encoder(image), tuple(levels[i] for i in out_indices), rtol=0, atol=0)

    @pytest.mark.parametrize('name', ['top.top.1.conv.weight', 'multi_stage_rsn.0.downsample.layer1.2.conv_bn3.conv.weight'])
    def test_refuses_what_it_does_not_know(self, make_stock, name):
        state = make_stock().backbone.state_dict()
        state[name] = torch.zeros(1)
        with pytest.raises(ValueError, match='this RSNEncoder.* 0 are missing, .* 1 of the checkpoint have no place'):
            RSNEncoder(num_blocks=[2, 1], out_indices=(1, )).load_state_dict(state)

    def test_pretrained_backbone_of_stock(self, make_stock, tmp_path):
        stock = make_stock()
        torch.save(dict(state_dict=stock.state_dict()), tmp_path / 'stock.pth')
        init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'stock.pth'), prefix='backbone.')
        net = RSN(num_blocks=[2, 1], unit_channels=32, init_cfg=init_cfg)
        net.init_weights()
        assert torch.equal(net.body.stem[0].conv.weight, stock.backbone.top.top[0].conv.weight)
