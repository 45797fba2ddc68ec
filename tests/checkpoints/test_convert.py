"""The authors' weights become ours, ours become MMPose's, and nothing is lost or made up on the way."""
import importlib.util
from pathlib import Path

import pytest
import torch

from rsn_mm.checkpoints.convert import convention_of, convert, unwrapped

SIZES = dict(num_stages=2, num_blocks=[2, 1, 1, 2])


@pytest.fixture(scope='module')
def authors_network():
    spec = importlib.util.spec_from_file_location('authors_network', Path(__file__).with_name('authors_network.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.AuthorsNetwork


@pytest.fixture
def authors(authors_network, as_trained):
    """The authors' network in eval mode, with biases of convolutions that are far from zero."""
    return as_trained(authors_network(**SIZES, stem=16, channels=32, joints=5))


class TestFromTheAuthors:

    @pytest.fixture
    def difference(self, authors_network, as_trained, make_ours):
        """Largest difference of any heatmap, in units of its largest value.

        In float64: a random network of this depth makes 1e-3 of float32's rounding, converted or not.
        """

        def difference(turned_image=True, expansion=1, **kwargs):
            ours = make_ours(**SIZES, stem_channels=16, expansion=expansion, branch_width_from='input').double()
            authors = as_trained(authors_network(**SIZES, stem=16, channels=32, joints=5, expansion=expansion)).double()
            state = authors.state_dict()
            ours.load_state_dict(convert(unwrapped({f'module.{name}': state[name] for name in state}), 'ours', **kwargs))
            image = torch.randn(2, 3, 64, 64, dtype=torch.float64)
            with torch.no_grad():
                references = authors(image.flip(1) if turned_image else image)
                heatmaps = ours.eval()(image, None, mode='tensor')
            assert len(heatmaps) == len(references) == 8
            assert all(.1 < reference.abs().max() < 1000 for reference in references)
            return max(float((h - r).abs().max() / r.abs().max()) for h, r in zip(heatmaps, references))

        return difference

    @pytest.mark.parametrize('expansion', [1, 4])
    def test_rgb_gives_what_bgr_gave_there(self, difference, expansion):
        assert difference(expansion=expansion) < 1e-9

    def test_bgr_if_asked_for(self, difference):
        assert difference(turned_image=False, keep_bgr=True) < 1e-9

    def test_the_order_of_the_channels_matters(self, difference):
        assert difference(turned_image=False) > 1e-2

    def test_in_float32(self, authors, make_ours):
        """Stem and first block, where rounding has not grown yet."""
        ours = make_ours(**SIZES, stem_channels=16)
        ours.load_state_dict(convert(authors.state_dict(), 'ours'))
        body, image = ours.eval().backbone.body, torch.randn(2, 3, 64, 64)
        with torch.no_grad():
            stem = torch.nn.functional.max_pool2d(authors.top.conv(image.flip(1)), 3, 2, 1)
            expected = authors.stage0.downsample.layer1[0](stem)
            given = body.stages[0].down.levels[0][0](body.stem(image))
        assert (given - expected).abs().max() < 1e-5 * expected.abs().max()

    def test_source_is_recognised_or_given(self, authors, assert_same_tensors):
        state = authors.state_dict()
        assert convention_of(state) == 'authors'
        assert_same_tensors(convert(state, 'ours'), convert(state, 'ours', 'authors'))

    def test_a_bias_goes_into_the_mean(self, authors):
        state = authors.state_dict()
        ours = convert(state, 'ours')
        assert not any(name.endswith('conv.bias') for name in ours)
        torch.testing.assert_close(ours['backbone.body.stages.1.up.units.0.from_level.bn.running_mean'],
                                   state['stage1.upsample.up1.u_skip.bn.running_mean']
                                   - state['stage1.upsample.up1.u_skip.conv.bias'], rtol=0, atol=0)

    def test_without_biases(self, authors):
        state = {name: tensor for name, tensor in authors.state_dict().items() if not name.endswith('conv.bias')}
        assert torch.equal(convert(state, 'ours')['backbone.body.stem.0.bn.running_mean'], state['top.conv.bn.running_mean'])

    def test_to_mmpose_by_way_of_ours(self, authors, assert_same_tensors):
        state = authors.state_dict()
        to_mmpose = convert(state, 'mmpose')
        assert 'backbone.multi_stage_rsn.1.upsample.up1.in_skip.conv.weight' in to_mmpose
        assert_same_tensors(convert(to_mmpose, 'ours'), convert(state, 'ours'))

    def test_what_was_given_stays_as_it_is(self, authors):
        before = {name: tensor.clone() for name, tensor in authors.state_dict().items()}
        given = authors.state_dict()
        convert(given, 'ours')
        assert all(torch.equal(given[name], before[name]) for name in before)

    @pytest.mark.parametrize('name', [
        'top.conv.conv.weight', 'stage0.downsample.layer1.0.conv_bn_relu2_4_3.bn.running_var',
        'stage1.downsample.layer4.1.conv_bn_relu3.conv.weight', 'stage1.downsample.layer2.0.downsample.bn.weight',
        'stage0.upsample.up4.cross_conv.conv.weight', 'stage0.upsample.up2.skip1.bn.bias',
        'stage1.upsample.up3.up_conv.bn.running_mean', 'stage0.upsample.up1.u_skip.conv.bias',
        'stage1.upsample.up4.res_conv2.conv.weight'])
    def test_a_missing_tensor_is_named(self, authors, name):
        state = authors.state_dict()
        del state[name]
        with pytest.raises(ValueError, match=rf'1 tensors are missing \(for example {name}\), and 0 have no place'):
            convert(state, 'ours')

    @pytest.mark.parametrize('name', [
        'prm.conv.weight', 'stage0.downsample.layer1.0.conv_bn_relu4.conv.weight', 'stage0.upsample.up5.u_skip.conv.weight',
        'stage1.upsample.up3.cross_conv.conv.weight', 'top.conv.bn.scale'])
    def test_a_tensor_without_a_place_is_named(self, authors, name):
        state = dict(authors.state_dict(), **{name: torch.zeros(1)})
        with pytest.raises(ValueError, match=rf'0 tensors are missing, and 1 have no place \(for example {name}\)'):
            convert(state, 'ours')

    def test_a_bias_of_another_shape(self, authors):
        state = dict(authors.state_dict(), **{'top.conv.conv.bias': torch.zeros(7)})
        with pytest.raises(ValueError, match=r'stem.0.bn.running_mean has shape \(16,\), but the bias .* \(7,\)'):
            convert(state, 'ours')


class TestToMMPoseAndBack:

    @pytest.mark.parametrize('num_stages, use_prm, family', [(1, False, 'RSN'), (3, True, 'RSN'), (2, False, 'MSPN')])
    def test_is_exact_and_loads_into_stock(self, make_ours, make_stock, assert_same_heatmaps, assert_same_tensors,
                                           num_stages, use_prm, family):
        extra = dict(block='resnet', expansion=4) if family == 'MSPN' else {}
        ours = make_ours(num_stages, 'heatmaps' if use_prm else None, **extra)
        stock = make_stock(num_stages, use_prm, family)
        to_mmpose = convert(ours.state_dict(), 'mmpose')
        stock.load_state_dict(to_mmpose, strict=True)
        assert_same_heatmaps(stock, ours)
        assert_same_tensors(convert(to_mmpose, 'ours'), ours.state_dict())

    def test_from_mmpose_and_back(self, make_stock, assert_same_tensors):
        state = make_stock(2, True).state_dict()
        assert_same_tensors(convert(convert(state, 'ours'), 'mmpose'), state)

    @pytest.mark.parametrize('sizes, example', [
        (dict(prm='features'), 'head.feature_prm'), (dict(block='densenet'), r'.*\.layers\.'),
        (dict(block='res2net'), r'.*\.branches\.')])
    def test_what_mmpose_does_not_have(self, make_ours, sizes, example):
        with pytest.raises(ValueError, match=rf'[1-9]\d* have no place \(for example {example}'):
            convert(make_ours(**sizes).state_dict(), 'mmpose')

    @pytest.mark.parametrize('name', ['head.predict_layers.1.prm.middle_path.3.bias',
                                      'backbone.multi_stage_mspn.0.downsample.layer1.1.bn3.running_mean'])
    def test_a_missing_tensor_is_named(self, make_stock, name):
        state = make_stock(1, True, 'MSPN').state_dict()
        del state[name]
        with pytest.raises(ValueError, match=rf'1 tensors are missing \(for example {name}\)'):
            convert(state, 'ours')

    def test_backbone_alone(self, make_stock, make_ours, assert_same_tensors):
        stock = {name: t for name, t in make_stock().state_dict().items() if name.startswith('backbone.')}
        ours = convert(stock, 'ours')
        make_ours().backbone.load_state_dict({name[len('backbone.'):]: tensor for name, tensor in ours.items()})
        assert_same_tensors(convert(ours, 'mmpose'), stock)

    def test_same_names_stay(self, make_ours, assert_same_tensors):
        state = make_ours(prm='features').state_dict()
        assert_same_tensors(convert(state, 'ours'), state)


class TestBadInput:

    def test_another_network(self):
        with pytest.raises(ValueError, match=r'no checkpoint of RSN .* 1 tensors \(for example conv1.weight\)'):
            convert({'conv1.weight': torch.zeros(1)}, 'ours')

    def test_nothing(self):
        with pytest.raises(ValueError, match='no checkpoint of RSN'):
            convert({}, 'ours')

    def test_a_head_alone(self, make_stock):
        state = {name: t for name, t in make_stock().state_dict().items() if 'head' in name or 'backbone.top' in name}
        with pytest.raises(ValueError, match="none is of a block of the backbone in MMPose's names"):
            convert(state, 'ours')

    @pytest.mark.parametrize('target, source', [('authors', 'ours'), ('ours', 'timm')])
    def test_unknown_convention(self, target, source):
        with pytest.raises(ValueError, match='there is no way: convert from ours, mmpose, authors or auto, to ours or mmpose'):
            convert({'a': torch.zeros(1)}, target, source)
