"""Tables 1 and 2 of the paper from built blocks."""
import pytest
from torch import nn

from rsn_mm.analysis import paper
from rsn_mm.analysis.receptive_fields import UnconnectedStepsBlock, receptive_fields, step_receptive_fields
from rsn_mm.models import ResidualStepsBlock
from rsn_mm.models.rival_blocks import Res2NetBlock, ResNetBlock

BLOCKS = {
    'ResNet': lambda: ResNetBlock(8, 8, width=4),
    'OSNet': lambda: UnconnectedStepsBlock(8, 8, branch_width=1),
    'Res2Net': lambda: Res2NetBlock(8, 8, width=2),
    'RSN': lambda: ResidualStepsBlock(8, 8, branch_width=2),
}


def test_table_1():
    assert step_receptive_fields(ResidualStepsBlock(8, 8, branch_width=2)) == paper.TABLE_1


@pytest.mark.parametrize('name', paper.TABLE_2)
def test_table_2(name):
    assert receptive_fields(BLOCKS[name]()) == paper.TABLE_2[name]


def test_both_ways_of_measuring_agree():
    for branches in (2, 3, 5):
        steps = step_receptive_fields(ResidualStepsBlock(8, 8, num_branches=branches, branch_width=1))
        fields = receptive_fields(ResidualStepsBlock(8, 8, num_branches=branches, branch_width=1), num_splits=branches)
        assert fields == [steps[i, i] for i in range(1, branches + 1)]


def test_weights_that_close_every_relu_do_not_matter():
    block = ResidualStepsBlock(8, 8, branch_width=1)
    for parameter in block.parameters():
        nn.init.constant_(parameter, -1)
    assert receptive_fields(block) == paper.TABLE_2['RSN']


def test_larger_kernels_are_seen():
    """The measurement follows the block, not the table."""
    block = ResidualStepsBlock(8, 8, branch_width=1)
    block.branches[0][0].conv = nn.Conv2d(1, 1, 5, padding=2)
    assert receptive_fields(block)[0] == {5}


def test_no_hooks_are_left_behind():
    block = ResidualStepsBlock(8, 8, branch_width=1)
    receptive_fields(block), step_receptive_fields(block)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in block.modules())


def test_oblong_fields_are_refused():
    block = ResidualStepsBlock(8, 8, branch_width=1)
    block.branches[0][0].conv = nn.Conv2d(1, 1, (1, 3), padding=(0, 1))
    with pytest.raises(ValueError, match='3 x 1 pixels'):
        receptive_fields(block)
