"""Focal losses against their formula and its derivative: MMCV's compiled ops have no CPU form to compare with."""
import mmcv.ops.focal_loss
import pytest
import torch
import torch.nn.functional as F

from rsn_mm.compat.ops import ext

GAMMA, ALPHA = 2., 0.3


@pytest.fixture(autouse=True)
def our_ops(monkeypatch):
    monkeypatch.setattr(mmcv.ops.focal_loss, 'ext_module', ext)


def sigmoid_formula(logits, target, weight):
    one_hot = F.one_hot(target, logits.shape[1] + 1)[:, :-1].to(logits.dtype)  # the last class is background
    right = torch.where(one_hot == 1, logits, -logits)
    alpha = torch.where(one_hot == 1, ALPHA, 1 - ALPHA)
    rows = 1 if weight is None else torch.cat((weight, weight.new_ones(1)))[target][:, None]
    return -alpha * (1 - right.sigmoid())**GAMMA * F.logsigmoid(right) * rows


def softmax_formula(logits, target, weight):
    log_p = F.log_softmax(logits, dim=1).gather(1, target[:, None])[:, 0]
    return -ALPHA * (1 - log_p.exp())**GAMMA * log_p * (1 if weight is None else weight[target])


@pytest.mark.parametrize('kind', ['sigmoid', 'softmax'])
@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_loss_and_gradient(kind, weighted, reduction):
    logits = torch.randn(7, 4, dtype=torch.float64)
    target = torch.tensor([0, 3, 1, 2, 0, 1, 4 if kind == 'sigmoid' else 3])
    weight = torch.rand(4, dtype=torch.float64) if weighted else None
    function, formula = ((mmcv.ops.sigmoid_focal_loss, sigmoid_formula) if kind == 'sigmoid' else
                         (mmcv.ops.softmax_focal_loss, softmax_formula))
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss = function(ours, target, GAMMA, ALPHA, weight, reduction)
    expected = formula(theirs, target, weight)
    if reduction != 'none':
        expected = expected.sum() / (len(target) if reduction == 'mean' else 1)
    torch.testing.assert_close(loss, expected)
    if kind == 'softmax' and reduction == 'none':
        return  # MMCV's own backward cannot multiply (N, C) by (N,)
    upstream = torch.rand_like(expected)
    loss.backward(upstream)
    expected.backward(upstream)
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize('kind', ['sigmoid', 'softmax'])
@pytest.mark.parametrize('gamma', [0.5, 2.])
def test_certain_answers_stay_finite(kind, gamma):
    logits = torch.tensor([[200., -200.], [-200., 200.]], requires_grad=True)
    function = getattr(mmcv.ops, f'{kind}_focal_loss')
    loss = function(logits, torch.tensor([0, 0]), gamma, ALPHA, None, 'sum')
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()
    assert loss > 10  # the second row is wrong


@pytest.mark.parametrize('kind', ['sigmoid', 'softmax'])
def test_logits_that_are_nan_are_not_hidden(kind):
    logits = torch.full((1, 2), float('nan'), requires_grad=True)
    loss = getattr(mmcv.ops, f'{kind}_focal_loss')(logits, torch.tensor([0]), GAMMA, ALPHA, None, 'sum')
    loss.backward()
    assert torch.isnan(loss) and torch.isnan(logits.grad).all()


def test_rows_with_a_negative_class_have_no_softmax_loss():
    logits = torch.randn(3, 4, requires_grad=True)
    loss = mmcv.ops.softmax_focal_loss(logits, torch.tensor([-1, 2, -1]), GAMMA, ALPHA, None, 'sum')
    loss.backward()
    torch.testing.assert_close(loss, softmax_formula(logits[1:2], torch.tensor([2]), None).sum())
    assert (logits.grad[[0, 2]] == 0).all() and (logits.grad[1] != 0).all()


def test_half_precision_is_computed_in_float32():
    logits = torch.randn(5, 4).half()
    loss = mmcv.ops.sigmoid_focal_loss(logits, torch.arange(5), GAMMA, ALPHA, None, 'none')
    assert loss.dtype == torch.float16
    expected = sigmoid_formula(logits.float(), torch.arange(5), None)
    torch.testing.assert_close(loss.float(), expected, rtol=1e-3, atol=1e-6)
