"""Group counts of GroupNorm that fit, and one error where they do not."""
import re

import pytest
import torch
from torch import nn

from rsn_mm.models import RSN, MultiStageHead, RSNEncoder

BACKBONE = dict(num_blocks=[1, 1], stem_channels=16)


@pytest.mark.parametrize('make, num_groups, layer, counts', [
    (lambda norm: RSN(unit_channels=32, norm_cfg=norm, **BACKBONE), 32, r'the 16 channels of body.stem', '1 or 2'),
    (lambda norm: RSNEncoder(out_indices=[0], norm_cfg=norm, **BACKBONE), 4, r'the 6 channels of down', '1 or 2'),
    (lambda norm: MultiStageHead(1, 2, 32, 17, norm_cfg=norm), 32, r'the 17 channels of predictors', '1'),
], ids=['RSN', 'RSNEncoder', 'MultiStageHead'])
def test_counts_that_fit_are_named_and_fit(make, num_groups: int, layer: str, counts: str) -> None:
    with pytest.raises(ValueError, match=f'num_groups={num_groups} does not divide {layer}.*num_groups={counts}, or') as caught:
        make(dict(type='GN', num_groups=num_groups))
    for count in re.findall(r'\d+', counts):
        norms = [part for part in make(dict(type='GN', num_groups=int(count))).modules() if isinstance(part, nn.GroupNorm)]
        assert norms and all(norm.num_groups == int(count) for norm in norms)
    assert 'Traceback' not in str(caught.value)


@pytest.mark.parametrize('given', [{}, dict(num_groups=0), dict(num_groups='8')])
def test_what_is_no_count(given: dict) -> None:
    with pytest.raises(ValueError, match='is no count of groups.* give num_groups=1 or 2'):
        RSN(unit_channels=32, norm_cfg=dict(type='GN', **given), **BACKBONE)


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(ValueError, match='depth'):
        RSN(depth=7, norm_cfg=dict(type='GN', num_groups=2))


def test_a_type_that_is_none() -> None:
    with pytest.raises(ValueError, match="norm_cfg=.*'BatchNorm'.*: there is no normalisation layer of this type. Give BN"):
        RSN(norm_cfg=dict(type='BatchNorm'), **BACKBONE)


@pytest.mark.parametrize('make', [
    lambda norm: RSN(unit_channels=32, norm_cfg=norm, **BACKBONE),
    lambda norm: RSNEncoder(out_indices=[0], norm_cfg=norm, **BACKBONE),
    lambda norm: MultiStageHead(1, 2, 32, 17, norm_cfg=norm)], ids=['RSN', 'RSNEncoder', 'MultiStageHead'])
@pytest.mark.parametrize('kind', ['LN', 'BN1d', 'BN3d', 'IN1d'])
def test_norms_of_other_tensors_than_maps(make, kind: str) -> None:
    with pytest.raises(ValueError, match=f"norm_cfg=.*'{kind}'.* does not take feature maps .*Give BN, SyncBN"):
        make(dict(type=kind))


@pytest.mark.parametrize('backbone', [RSN(unit_channels=16, **BACKBONE), RSNEncoder(out_indices=[1], **BACKBONE)],
                         ids=['RSN', 'RSNEncoder'])
def test_a_map_of_one_value_is_refused_in_training(backbone: nn.Module) -> None:
    small = torch.zeros(1, 3, 8, 8)
    with pytest.raises(ValueError, match=r'has an input of .* = \(1, 3, 8, 8\), and so a feature map of a single px, which B'):
        backbone.train()(small)
    backbone(torch.zeros(1, 3, 8, 9))
    backbone(small.repeat(2, 1, 1, 1))
    backbone.norm_eval = True
    backbone.train()(small)
    backbone.eval()(small)


def test_a_head_on_maps_of_one_value() -> None:
    head = MultiStageHead(1, 2, 16, 5)
    with pytest.raises(ValueError, match=r'MultiStageHead has an input of .* = \(1, 16, 1, 1\).* at least 2 images a batch'):
        head([[torch.zeros(1, 16, 1, 1), torch.zeros(1, 16, 2, 2)]])
    head([[torch.zeros(2, 16, 1, 1), torch.zeros(2, 16, 2, 2)]])
    head.eval()([[torch.zeros(1, 16, 1, 1), torch.zeros(1, 16, 2, 2)]])


def test_instance_norms_of_a_single_px() -> None:
    with pytest.raises(ValueError, match='which InstanceNorm2d cannot normalise in training.* input_size, or another norm .BN'):
        RSNEncoder(out_indices=[1], norm_cfg=dict(type='IN'), **BACKBONE)(torch.zeros(2, 3, 8, 8))
