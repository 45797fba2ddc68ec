"""Non-maximum suppression against slow loops. (Results of the compiled ops: tests/compat/test_mmcv_ops.py)"""
import numpy as np
import pytest
import torch

from rsn_mm.compat.ops import ext


def _overlap(a, b, offset=0):
    width = max(0., min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0., min(a[3], b[3]) - max(a[1], b[1]) + offset)
    union = sum((box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)) - width * height
    return width * height / union if union else float('nan')


def slow_nms(boxes, scores, iou_threshold, offset=0):
    kept = []
    for index in scores.sort(0, descending=True)[1].tolist():
        if not any(_overlap(boxes[other].tolist(), boxes[index].tolist(), offset) > iou_threshold for other in kept):
            kept.append(index)
    return torch.tensor(kept, dtype=torch.long)


def make_boxes(count, dtype=torch.float64, levels=None, seed=0):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 100, (count, 2))
    boxes = np.hstack((corners, corners + rng.uniform(0, 40, (count, 2))))
    scores = rng.permutation(count) / count if levels is None else rng.integers(0, levels, count) / levels
    return torch.from_numpy(boxes).to(dtype), torch.from_numpy(scores).to(dtype)


@pytest.mark.parametrize('count', [1, 2, 63, 64, 65, 129, 300])
@pytest.mark.parametrize('levels', [None, 3])
@pytest.mark.parametrize('offset', [0, 1])
def test_nms_is_the_greedy_loop(count, levels, offset):
    boxes, scores = make_boxes(count, levels=levels)
    kept = ext.nms(boxes, scores, iou_threshold=0.3, offset=offset)
    assert torch.equal(kept, slow_nms(boxes, scores, 0.3, offset))


def test_nms_of_nothing():
    kept = ext.nms(torch.zeros(0, 4), torch.zeros(0), iou_threshold=0.5, offset=0)
    assert kept.shape == (0, ) and kept.dtype == torch.long


def test_nms_keeps_a_box_whose_iou_equals_the_threshold():
    boxes = torch.tensor([[0., 0., 4., 4.], [0., 0., 4., 2.]])
    scores = torch.tensor([0.9, 0.8])
    assert ext.nms(boxes, scores, 0.5, 0).tolist() == [0, 1]
    assert ext.nms(boxes, scores, 0.49, 0).tolist() == [0]


def test_nms_keeps_boxes_without_area_and_with_nan():
    boxes = torch.tensor([[1., 1., 1., 1.], [1., 1., 1., 1.], [float('nan'), 0., 5., 5.], [0., 0., 5., 5.]])
    assert ext.nms(boxes, torch.tensor([0.9, 0.8, 0.7, 0.6]), 0., 0).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_nms_computes_half_precision_in_float32(dtype):
    boxes, scores = make_boxes(60, dtype)
    assert torch.equal(ext.nms(boxes, scores, 0.3, 0), ext.nms(boxes.float(), scores, 0.3, 0))


@pytest.mark.parametrize('op', ['nms', 'softnms', 'nms_match'])
def test_inputs_are_not_modified_and_may_be_part_of_a_graph(op):
    boxes, scores = make_boxes(40, torch.float32)
    boxes = boxes.t().contiguous().t()  # whose transpose is contiguous: a careless conversion would not copy it
    before = boxes.clone(), scores.clone()
    boxes.requires_grad_(), scores.requires_grad_()
    if op == 'nms':
        ext.nms(boxes, scores, 0.3, 0)
    elif op == 'softnms':
        ext.softnms(boxes, scores, torch.empty(40, 5), 0.3, 0.5, 1e-3, 1, 0)
    else:
        ext.nms_match(torch.cat((boxes, scores[:, None]), dim=1), 0.3)
    assert torch.equal(boxes, before[0]) and torch.equal(scores, before[1])


def slow_soft_nms(boxes, scores, iou_threshold, sigma, min_score, method):
    """Picks as (index, score): the best box goes to the front; the last box fills the place of one that is dropped."""
    left, picked = [list(pair) for pair in enumerate(scores.tolist())], []
    while left:
        best = max(range(len(left)), key=lambda place: (left[place][1], -place))
        left[0], left[best] = left[best], left[0]
        picked.append(tuple(left.pop(0)))
        place = 0
        while place < len(left):
            iou = _overlap(boxes[picked[-1][0]].tolist(), boxes[left[place][0]].tolist())
            if method == 2:
                left[place][1] *= np.exp(-iou**2 / sigma)
            elif iou >= iou_threshold:
                left[place][1] *= 1 - iou if method == 1 else 0
            if left[place][1] < min_score:
                left[place] = left[-1]
                left.pop()
            else:
                place += 1
    return picked


@pytest.mark.parametrize('method', [0, 1, 2])
@pytest.mark.parametrize('min_score', [1e-3, 0.2])
@pytest.mark.parametrize('levels', [None, 4])
def test_softnms_is_the_slow_loop(method, min_score, levels):
    boxes, scores = make_boxes(80, levels=levels)
    dets = torch.full((80, 5), -1., dtype=torch.float64)
    indices = ext.softnms(
        boxes, scores, dets, iou_threshold=0.3, sigma=0.5, min_score=min_score, method=method, offset=0)
    expected = slow_soft_nms(boxes, scores, 0.3, 0.5, min_score, method)
    assert indices.tolist() == [index for index, _ in expected]
    torch.testing.assert_close(dets[:len(expected), 4], torch.tensor([score for _, score in expected]).double())
    assert torch.equal(dets[:len(expected), :4], boxes[indices])
    assert (dets[len(expected):] == -1).all()


def test_softnms_of_a_nan_score_does_not_move_it():
    boxes = torch.tensor([[0., 0., 1., 1.], [5., 5., 6., 6.], [9., 9., 10., 10.]])
    for scores, order in (([float('nan'), 0.5, 0.6], [0, 2, 1]), ([0.5, float('nan'), 0.6], [2, 1, 0])):
        assert ext.softnms(boxes, torch.tensor(scores), torch.empty(3, 5), 0.3, 0.5, 0.1, 1, 0).tolist() == order


def test_nms_match_groups_each_box_with_those_it_removed():
    dets = torch.tensor([[0., 0., 4., 4., 0.5], [0., 0., 4., 2., 0.9], [9., 9., 12., 12., 0.7], [0., 0., 4., 2.1, 0.6]])
    assert ext.nms_match(dets, 0.5) == [[1, 3, 0], [2]]


def test_torchvision_kernel_takes_over_without_offset(use_torchvision):
    calls = []

    def nms(boxes, scores, iou_threshold):
        calls.append((boxes.dtype, scores.dtype, iou_threshold))
        return slow_nms(boxes, scores, iou_threshold)

    use_torchvision(nms=nms)
    boxes, scores = make_boxes(50, torch.float16)
    expected = slow_nms(boxes.float(), scores.float(), 0.3)
    calls.clear()
    assert torch.equal(ext.nms(boxes, scores, iou_threshold=0.3, offset=0), expected)
    assert calls[-1] == (torch.float32, torch.float32, 0.3)
    calls.clear()
    ext.nms(boxes, scores, iou_threshold=0.3, offset=1)
    assert not calls
