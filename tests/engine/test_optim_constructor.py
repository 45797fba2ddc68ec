"""Optimizers of our scope: few groups, fused on a GPU, and states that fit after resuming."""
from unittest.mock import patch

import pytest
import torch
from mmengine.optim import DefaultOptimWrapperConstructor as MMEngineConstructor
from mmengine.optim import build_optim_wrapper
from torch import nn

from rsn_mm.engine import DefaultOptimWrapperConstructor, OptimWrapper
from rsn_mm.models import RSN

PARAMWISE = dict(norm_decay_mult=0, bias_decay_mult=0)
ADAMW = dict(type='AdamW', lr=1e-2, weight_decay=.5)


@pytest.fixture
def in_scope(scope) -> None:
    scope('rsn_mm')


def network() -> nn.Module:
    torch.manual_seed(0)
    return RSN(num_blocks=[1, 1], stem_channels=8, unit_channels=16)


def test_one_group_of_equal_settings_and_the_same_weights(in_scope) -> None:
    weights, groups = [], []
    for constructor in ('mmengine.DefaultOptimWrapperConstructor', 'DefaultOptimWrapperConstructor'):
        model = network()
        wrapper = build_optim_wrapper(model, dict(optimizer=ADAMW, paramwise_cfg=PARAMWISE, constructor=constructor))
        groups.append([(group['weight_decay'], len(group['params'])) for group in wrapper.optimizer.param_groups])
        for step in range(3):
            torch.manual_seed(step)
            for parameter in model.parameters():
                parameter.grad = torch.randn(parameter.shape)
            wrapper.optimizer.step()
        weights.append(model.state_dict())
    assert len(groups[0]) == sum(count for _, count in groups[1]) > len(groups[1]) == 2
    assert {decay for decay, _ in groups[1]} == {0, .5}
    torch.testing.assert_close(weights[1], weights[0], rtol=0, atol=0)


def test_without_paramwise_cfg_nothing_changes(in_scope) -> None:
    wrapper = build_optim_wrapper(network(), dict(optimizer=ADAMW))
    assert type(wrapper) is OptimWrapper and len(wrapper.optimizer.param_groups) == 1


@pytest.mark.parametrize('optimizer, on_gpu, expected', [
    (ADAMW, True, True), (dict(type='Adam', lr=1.), True, True), (dict(type=torch.optim.Adam, lr=1.), True, True),
    (ADAMW, False, None), (dict(ADAMW, fused=False), True, False), (dict(ADAMW, foreach=True), True, None),
    (dict(type='SGD', lr=1.), True, None),
])
def test_adam_is_fused_on_a_gpu(in_scope, optimizer: dict, on_gpu: bool, expected) -> None:
    with patch('rsn_mm.engine.optim_constructor._is_on_gpu', return_value=on_gpu):
        wrapper = build_optim_wrapper(nn.Linear(2, 2), dict(optimizer=optimizer))
    assert wrapper.param_groups[0].get('fused') is expected


def test_what_is_on_a_gpu() -> None:
    from torch._subclasses import FakeTensorMode

    from rsn_mm.engine.optim_constructor import _is_on_gpu
    with FakeTensorMode():
        model = nn.ParameterList([torch.empty(2, device=device) for device in ('cuda', 'cuda')])
        assert _is_on_gpu(model)
        model.append(torch.empty(2))
        assert not _is_on_gpu(model)
        model[-1].requires_grad_(False)
        assert _is_on_gpu(model)
    assert not _is_on_gpu(nn.ParameterList())


def test_other_groups_are_refused_with_the_reason(in_scope) -> None:
    cfg = dict(optimizer=ADAMW, paramwise_cfg=PARAMWISE)
    former = MMEngineConstructor(dict(type='rsn_mm.OptimWrapper', optimizer=ADAMW), PARAMWISE)(network())
    with pytest.raises(ValueError, match=r'has \d+ groups .* config has 2\. .*constructor=mmengine\.'):
        build_optim_wrapper(network(), cfg).load_state_dict(former.state_dict())


def test_moments_are_laid_out_as_their_weights(in_scope) -> None:
    conv, wrappers = nn.Conv2d(4, 4, 3), []
    for layout in (torch.contiguous_format, torch.channels_last):
        conv = conv.to(memory_format=layout)
        wrappers.append(build_optim_wrapper(conv, dict(optimizer=ADAMW)))
        if layout == torch.contiguous_format:
            conv(torch.randn(1, 4, 8, 8)).sum().backward()
            wrappers[0].optimizer.step()
    wrappers[1].load_state_dict(wrappers[0].state_dict())
    moment, former = (wrapper.optimizer.state[conv.weight]['exp_avg'] for wrapper in (wrappers[1], wrappers[0]))
    assert moment.stride() == conv.weight.stride() != former.stride()
    torch.testing.assert_close(moment, former, rtol=0, atol=0)


def test_name_in_our_scope(in_scope) -> None:
    from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
    with OPTIM_WRAPPER_CONSTRUCTORS.switch_scope_and_registry(None) as registry:
        assert registry.get('DefaultOptimWrapperConstructor') is DefaultOptimWrapperConstructor
