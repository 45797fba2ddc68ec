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


@pytest.mark.parametrize('capability, dtype, expected, warns', [
    ((7, 5), None, torch.float16, False), ((8, 0), None, torch.bfloat16, False), ((9, 0), 'bfloat16', torch.bfloat16, False),
    ((7, 0), 'bfloat16', torch.bfloat16, True), ((7, 0), 'float16', torch.float16, False),
])
def test_gpus_that_emulate_bfloat16(optimizer, monkeypatch, capability, dtype, expected, warns) -> None:
    logged = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda: capability)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda: 'GTX 1660')
    monkeypatch.setattr(amp_optimizer_wrapper, 'GradScaler', lambda **kwargs: torch.amp.GradScaler('cpu', enabled=False))
    monkeypatch.setattr('rsn_mm.engine.optim_wrapper.print_log', lambda message, *args: logged.append((message, args)))
    wrapper = AmpOptimWrapper(optimizer=optimizer, **({} if dtype is None else dict(dtype=dtype)))
    assert wrapper.cast_dtype == expected
    assert any('emulated by GTX 1660' in message for message, _ in logged) == warns


def test_float16_resumes_from_bfloat16_and_back(optimizer, monkeypatch) -> None:
    monkeypatch.setattr(amp_optimizer_wrapper, 'GradScaler', lambda **kwargs: torch.amp.GradScaler('cpu', init_scale=8.))
    wrappers = [AmpOptimWrapper(dtype=dtype, optimizer=optimizer) for dtype in ('bfloat16', 'float16')]
    states = [wrapper.state_dict() for wrapper in wrappers]
    assert states[0]['loss_scaler'] == {} and states[1]['loss_scaler']['scale'] == 8
    for wrapper, state in zip(wrappers, states[::-1]):
        wrapper.load_state_dict(state)
    assert wrappers[1].loss_scaler.get_scale() == 8
