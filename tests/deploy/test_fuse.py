"""A fused model gives what the model gives, and nothing else."""
import copy
import pickle
from typing import Any, Callable, List, Sequence

import pytest
import torch
from mmcv.cnn import ConvModule
from mmengine.registry import DefaultScope
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from rsn_mm import registry
from rsn_mm.compat.compile import compile_network
from rsn_mm.deploy import fuse, fused_conv
from rsn_mm.deploy.fuse import PERSONS_ON_CPU
from rsn_mm.deploy.fused_conv import FusedConv
from rsn_mm.models import RSN, MultiStageHead, ResidualStepsBlock, RSNEncoder
from rsn_mm.models.multi_stage import UpUnit

SIZE = dict(num_blocks=[1, 2], stem_channels=16, unit_channels=24)


@pytest.fixture(params=['onednn', 'plain'])
def operators(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways that a FusedConv has."""
    if request.param == 'plain':
        monkeypatch.setattr(fused_conv, 'ONEDNN', False)
    elif not fused_conv.ONEDNN:
        pytest.skip('this PyTorch has no oneDNN')
    return request.param


def settled(module: nn.Module) -> nn.Module:
    """In eval mode, with norms that are no identity anywhere."""
    for norm in module.modules():
        if isinstance(norm, _BatchNorm):
            norm.running_mean.normal_(0, .3)
            norm.running_var.uniform_(.5, 2)
            nn.init.uniform_(norm.weight, .5, 1.5)
            nn.init.normal_(norm.bias, 0, .3)
    module.train(False)  # eval() of stock backbones returns None
    return module


def flat(outputs: Any) -> List[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else [tensor for output in outputs for tensor in flat(output)]


@torch.no_grad()
def assert_same(model: nn.Module, fused: nn.Module, *inputs: Any, rtol: float = 1e-5) -> None:
    expected, given = flat(model(*inputs)), flat(fused(*inputs))
    assert [tensor.shape for tensor in given] == [tensor.shape for tensor in expected]
    for ours, theirs in zip(given, expected):
        assert (ours - theirs).abs().max() <= rtol * theirs.abs().max()


@pytest.mark.parametrize('num_branches', [2, 3, 4, 5, 6])
@pytest.mark.parametrize('in_channels, stride', [(20, 1), (16, 2)])
@pytest.mark.parametrize('pad_branches_to', [1, 8])
def test_block_of_every_branch_count(operators: str, num_branches: int, in_channels: int, stride: int,
                                     pad_branches_to: int) -> None:
    block = settled(ResidualStepsBlock(in_channels, 20, num_branches, stride, branch_width=5))
    fused = fuse(block, pad_branches_to)
    assert len(fused.branches[0][0].weight) == (8 if pad_branches_to == 8 else 5)
    x = torch.randn(2, in_channels, 7, 6)
    before = x.clone()
    assert_same(block, fused, x)
    assert x.equal(before)


@pytest.mark.parametrize('options', [
    dict(num_stages=2), dict(grouped_entry=True), dict(expansion=2, num_stages=2), dict(with_cp=True),
    dict(match_capacity=True, num_branches=6), dict(block='resnet'), dict(block='res2net'), dict(block='densenet'),
    dict(norm_cfg=dict(type='SyncBN')), dict(norm_cfg=dict(type='BN', eps=.1, requires_grad=False)),
    dict(norm_cfg=dict(type='GN', num_groups=1)),
], ids=str)
def test_options_of_the_backbone(operators: str, options: dict) -> None:
    model = settled(RSN(**SIZE, **options))
    fused = fuse(model, pad_branches_to=4)
    assert_same(model, fused, torch.randn(2, 3, 57, 75))
    left = [m for m in fused.modules() if isinstance(m, (_BatchNorm, ConvModule))]
    assert bool(left) == (options.get('norm_cfg', {}).get('type') == 'GN')


def test_encoder_with_frozen_stages() -> None:
    model = settled(RSNEncoder(18, out_indices=(0, 2), frozen_stages=1, norm_eval=True, stem_channels=16))
    assert_same(model, fuse(model), torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize('prm', [None, 'features', 'heatmaps'])
@pytest.mark.parametrize('num_stages', [1, 2])
def test_head(operators: str, prm: str, num_stages: int) -> None:
    head = settled(MultiStageHead(num_stages, num_units=2, in_channels=24, out_channels=5, prm=prm))
    fused = fuse(head)
    feats = [[torch.randn(2, 24, 5, 4), torch.randn(2, 24, 9, 7)] for _ in range(num_stages)]
    assert_same(head, fused, feats)
    with torch.no_grad():
        torch.testing.assert_close(fused.forward_last(feats), head.forward_last(feats), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('size_hw', [(14, 10), (13, 11), (1, 1)])
def test_a_conv1x1_and_upsampling_commute(operators: str, size_hw: Sequence[int]) -> None:
    unit = settled(UpUnit(12, 16, deepest=False, norm_cfg=dict(type='BN'), with_cp=False))
    small = (max(size_hw[0] // 2, 1), max(size_hw[1] // 2, 1))
    assert_same(unit, fuse(unit), torch.randn(2, 12, *size_hw), torch.randn(2, 16, *small))


@pytest.mark.parametrize('kind', ['ResNet', 'MobileNetV2', 'CSPNeXt', 'RSN'])
def test_backbones_of_mmpose(kind: str) -> None:
    cfg = dict(ResNet=dict(depth=18), CSPNeXt=dict(widen_factor=.125, deepen_factor=.1), MobileNetV2=dict(widen_factor=.25),
               RSN=dict(unit_channels=16, num_stages=1, num_units=4, num_blocks=[1, 1, 1, 1]))[kind]
    with DefaultScope.overwrite_default_scope('mmpose'):
        model = settled(registry.mmpose_registry.MODELS.build(dict(type=kind, **cfg)))
    assert_same(model, fuse(model), torch.randn(2, 3, 64, 64))


def test_conv_modules_that_are_not_plain_stay() -> None:
    for options in (dict(padding_mode='reflect'), dict(order=('norm', 'conv', 'act')),
                    dict(with_spectral_norm=True), dict(norm_cfg=dict(type='IN')),
                    dict(norm_cfg=dict(type='BN', track_running_stats=False))):
        module = nn.Sequential(ConvModule(6, 6, 3, padding=1, **{'norm_cfg': dict(type='BN'), **options})).eval()
        fused = fuse(module)
        assert type(fused[0]) is ConvModule, options
        assert_same(module, fused, torch.randn(2, 6, 5, 5))
    other = nn.Sequential(ConvModule(6, 4, 3, norm_cfg=dict(type='BN'), act_cfg=dict(type='LeakyReLU')))
    assert_same(settled(other), fuse(other), torch.randn(2, 6, 5, 5))


def test_the_model_stays_as_it_is(make_estimator: Callable[..., Any]) -> None:
    model = make_estimator().train()
    weights = copy.deepcopy(model.state_dict())
    fused = fuse(model)
    assert model.training and all(parameter.requires_grad for parameter in model.parameters())
    assert model.state_dict().keys() == weights.keys()
    assert all(tensor.equal(weights[name]) for name, tensor in model.state_dict().items())
    own = {tensor.data_ptr() for tensor in model.state_dict().values()}
    assert not own & {tensor.data_ptr() for tensor in fused.state_dict().values()}
    assert not any(parameter.requires_grad for parameter in fused.parameters())


def test_training_is_refused(make_estimator: Callable[..., Any]) -> None:
    fused = fuse(make_estimator())
    for call in (fused.train, fused.backbone.train, lambda: fused.loss(torch.zeros(1, 3, 64, 64), []),
                 lambda: fused(torch.zeros(1, 3, 64, 64), [], mode='loss')):
        with pytest.raises(RuntimeError, match='only predicts.*Train the model that it was made of'):
            call()
    assert fused.eval() is fused and not fused.training
    with pytest.raises(ValueError, match='pad_branches_to=0 must be at least 1'):
        fuse(make_estimator(), pad_branches_to=0)


@pytest.mark.parametrize('flip_test, batch_size', [(False, 2), (True, 2), (True, 2 * PERSONS_ON_CPU + 3)])
def test_estimator_predicts_the_same_joints(make_estimator: Callable[..., Any], make_samples: Callable[..., List[Any]],
                                            codec_cfg: Callable[..., dict], flip_test: bool, batch_size: int) -> None:
    model = settled(make_estimator(test_cfg=dict(flip_test=flip_test, output_heatmaps=True)))
    fused = fuse(model)
    assert isinstance(fused, type(model))
    samples = make_samples(codec_cfg(), num_keypoints=5, batch_size=batch_size)
    data = dict(inputs=[torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8) for _ in samples], data_samples=samples)
    with torch.no_grad():
        for one, other in zip(model.test_step(copy.deepcopy(data)), fused.test_step(copy.deepcopy(data)), strict=True):
            assert abs(one.pred_instances.keypoints - other.pred_instances.keypoints).max() < 1e-3
            expected = one.pred_fields.heatmaps
            assert (other.pred_fields.heatmaps - expected).abs().max() <= 1e-5 * expected.abs().max()
        images = torch.randn(batch_size, 3, 64, 64)
        assert_same(model.eval(), fused, images, samples)  # mode='tensor'


def test_copies_pickles_and_weights_of_its_own() -> None:
    model, x = settled(RSN(**SIZE)), torch.randn(1, 3, 64, 64)
    fused = fuse(model)
    with torch.no_grad():
        fused(x)  # packs weights
        for again in (copy.deepcopy(fused), pickle.loads(pickle.dumps(fused)), fuse(fused)):
            assert type(again) is type(fused) and isinstance(again, RSN)
            assert_same(fused, again, x, rtol=0)
        other = fuse(settled(RSN(**SIZE)))
        other(x)
        other.load_state_dict(fused.state_dict())
        assert_same(fused, other, x, rtol=0)
        rounded = other.to(torch.bfloat16).float()
        assert_same(copy.deepcopy(rounded), rounded, x, rtol=0)


def test_half_precision() -> None:
    model, x = settled(RSN(**SIZE)), torch.randn(2, 3, 64, 48)
    fused = fuse(model)
    with torch.no_grad():
        fused(x)  # packs weights, which must not be used below
        expected = model(x)[-1][-1]
        with torch.autocast('cpu', torch.bfloat16):
            auto = fused(x)[-1][-1]
        whole = fused.to(torch.bfloat16)(x.bfloat16())[-1][-1]
    for given in (auto, whole):
        assert given.dtype == torch.bfloat16
        assert (given - expected).abs().max() < .1 * expected.abs().max()


def test_folding_is_exact_to_the_last_digits() -> None:
    module = settled(nn.Sequential(ConvModule(8, 8, 3, bias=True, norm_cfg=dict(type='BN', eps=1e-3), act_cfg=None)))
    x = torch.randn(1, 8, 4, 4, dtype=torch.float64)
    conv = fuse(module.double())
    assert isinstance(conv[0], FusedConv)
    assert_same(module, conv, x, rtol=1e-13)


def test_compiled_heads_are_not_shared(make_estimator: Callable[..., Any]) -> None:
    """A compiled method belongs to the object: in a copy it would compute with the weights of the original."""
    model = settled(make_estimator())
    compile_network(model, dict(backend='eager'))
    fused = fuse(model)
    feats = [[torch.randn(1, 16, 8, 8), torch.randn(1, 16, 16, 16)]]
    for parameter in fused.head.parameters():
        parameter.zero_()
    with torch.no_grad():
        assert fused.head.forward_last(feats).abs().max() == 0 < model.head.forward_last(feats).abs().max()
