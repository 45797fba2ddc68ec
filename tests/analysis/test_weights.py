"""Weight use of the last conv1x1 of each level, and maps of features."""
import pytest
import torch
from torch import nn

from rsn_mm.analysis.weights import down_paths, level_weights, mean_activation, utilisation
from rsn_mm.models import RSN, RSNEncoder


def small_rsn(**kwargs) -> RSN:
    return RSN(**{**dict(num_blocks=[1, 2], stem_channels=8, unit_channels=8), **kwargs})


def test_one_row_a_level_of_a_stage():
    rows = level_weights(small_rsn(num_stages=2))
    assert [(row.stage, row.level, tuple(row.weights.shape)) for row in rows] == [
        (1, 1, (4, 3)), (1, 2, (4, 6)), (2, 1, (4, 3)), (2, 2, (4, 6))]


def test_is_the_mean_over_outputs_of_the_last_block_branch_by_branch():
    backbone = small_rsn()
    conv = backbone.body.stages[0].down.levels[1][1].exit.conv  # the second of two blocks
    with torch.no_grad():
        conv.weight.copy_(-torch.arange(24.).reshape(1, 24, 1, 1).expand(16, 24, 1, 1))
    torch.testing.assert_close(level_weights(backbone)[1].weights, torch.arange(24.).reshape(4, 6))


def test_number_of_branches():
    assert level_weights(small_rsn(num_branches=3))[0].weights.shape == (3, 3)


def test_encoder():
    rows = level_weights(RSNEncoder(depth=18, out_indices=(1, )))
    assert [row.level for row in rows] == [1, 2]


@pytest.mark.parametrize('weights, expected', [([1., 1.], 1.), ([1., .5, .4, 0.], .5), ([0., 0.], 0.)])
def test_utilisation(weights, expected):
    assert utilisation(torch.tensor(weights)) == expected


def test_mean_activation_scales_every_image_by_itself():
    feature = torch.tensor([[[[0., 2.]], [[0., 4.]]], [[[10., 0.]], [[10., 0.]]], [[[7., 7.]], [[7., 7.]]]])
    torch.testing.assert_close(mean_activation(feature), torch.tensor([[[0., 1.]], [[1., 0.]], [[0., 0.]]]))


def test_other_backbones_are_refused():
    with pytest.raises(ValueError, match='Identity has no levels.*rsn_mm.RSNEncoder'):
        down_paths(nn.Identity())


def test_blocks_without_last_conv1x1_are_refused():
    backbone = small_rsn()
    backbone.body.stages[0].down.levels[0][0] = nn.Conv2d(8, 8, 3)
    with pytest.raises(ValueError, match='Conv2d does not end in a conv1x1'):
        level_weights(backbone)
