"""What the ops share."""
import pytest
import torch

from rsn_mm.compat.ops import backend


def working_nms(boxes, scores, iou_threshold):
    return torch.tensor([0])


def test_kernel_is_found_where_torchvision_runs(use_torchvision):
    use_torchvision(nms=working_nms)
    assert backend.torchvision_kernel('nms', torch.device('cpu')) is working_nms


@pytest.mark.parametrize('error', [RuntimeError('torchvision::nms does not exist'), NotImplementedError('CUDA')])
def test_no_kernel_where_torchvision_does_not_run(use_torchvision, error):

    def nms(boxes, scores, iou_threshold):
        raise error

    use_torchvision(nms=nms)
    assert backend.torchvision_kernel('nms', torch.device('cpu')) is None


def test_no_kernel_where_torchvision_runs_and_is_wrong(use_torchvision):
    use_torchvision(nms=lambda boxes, scores, iou_threshold: torch.tensor([7]))
    assert backend.torchvision_kernel('nms', torch.device('cpu')) is None


def test_no_kernel_from_the_stand_in(use_torchvision):
    use_torchvision()
    assert backend.torchvision_kernel('roi_align', torch.device('cpu')) is None


def test_extension_op_records_no_graph_and_no_autocast():

    @backend.extension_op
    def op(scale, tensor):
        return tensor @ tensor * scale

    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = op(2., tensor=torch.eye(3, requires_grad=True))
        assert torch.is_autocast_enabled('cpu')
    assert result.dtype == torch.float32 and not result.requires_grad


def test_corners_outside_the_map_have_no_weight():
    y, x = torch.tensor([-1., -0.25, 1.5, 2., 3., 0.]), torch.tensor([0., 0.5, -2., 3., 0., float('nan')])
    positions, weights = backend.bilinear_corners(y, x, 3, 4)
    assert ((positions >= 0) & (positions < 12)).all()
    expected = [[0, 0, 0, 0], [0, 0, .375, .375], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert weights.tolist() == expected


def test_segment_max_takes_the_first_of_equal_values_and_none_at_the_floor():
    values = torch.tensor([[1., -9.], [3., -9.], [3., -9.], [2., -7.]])
    maxima, rows = backend.segment_max(values, torch.tensor([0, 0, 0, 2]), 3, floor=-9.)
    assert maxima.tolist() == [[3, -9], [-9, -9], [2, -7]]
    assert rows.tolist() == [[1, -1], [-1, -1], [3, 3]]
