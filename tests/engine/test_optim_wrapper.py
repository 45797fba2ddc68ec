"""What ``--amp`` means in a config of ours."""
import pytest
import torch
from mmengine.optim.optimizer import amp_optimizer_wrapper
from mmengine.registry import OPTIM_WRAPPERS

from rsn_mm.engine import AmpOptimWrapper, OptimWrapper


@pytest.fixture
def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=.1)


def test_names_mean_ours_in_our_scope(scope, optimizer) -> None:
    scope('rsn_mm')
    for name, kind in (('OptimWrapper', OptimWrapper), ('AmpOptimWrapper', AmpOptimWrapper)):
        assert type(OPTIM_WRAPPERS.build(dict(type=name, optimizer=optimizer))) is kind


def test_amp_is_bfloat16_without_scaling(optimizer) -> None:
    # What MMPose's training script gives with --amp.
    wrapper = AmpOptimWrapper(loss_scale='dynamic', optimizer=optimizer)
    assert wrapper.cast_dtype == torch.bfloat16 and not wrapper.loss_scaler.is_enabled()
    wrapper.load_state_dict(wrapper.state_dict())
    with wrapper.optim_context(torch.nn.Identity()):
        assert (torch.ones(1, 1) @ torch.ones(1, 1)).dtype == torch.bfloat16


def test_float16_keeps_its_scaler(optimizer, monkeypatch) -> None:
    monkeypatch.setattr(amp_optimizer_wrapper, 'GradScaler', lambda **kwargs: kwargs)
    wrapper = AmpOptimWrapper(dtype='float16', optimizer=optimizer, loss_scale=dict(init_scale=8.))
    assert wrapper.cast_dtype == torch.float16 and wrapper.loss_scaler == dict(init_scale=8.)


def test_fused_adam_trains_as_adam(make_runner) -> None:
    states = []
    for fused in (False, True):
        runner = make_runner(f'fused_{fused}', optim_wrapper=dict(optimizer=dict(type='Adam', lr=1e-3, fused=fused)))
        states.append(runner.train().state_dict())
    torch.testing.assert_close(states[0], states[1], rtol=1e-4, atol=1e-5)
