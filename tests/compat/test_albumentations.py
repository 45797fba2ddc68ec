"""MMPose's ``Albumentation`` on the albumentations that is installed."""
from typing import Any

import numpy as np
import pytest
from mmpose.datasets.transforms import Albumentation

from rsn_mm.compat import active
from rsn_mm.compat.albumentations import in_names_of_2

albumentations = pytest.importorskip('albumentations')


def holes(**dropout: Any) -> np.ndarray:
    """Pixels that a dropout takes from a white picture of 64 x 64, all of them in one rectangle or a grid."""
    picture = np.full((64, 64, 3), 255, np.uint8)
    return Albumentation(transforms=[dict(dropout, p=1.)])(dict(img=picture))['img'][..., 0] == 0


def test_the_dropout_of_rtmpose_has_its_size() -> None:
    for _ in range(10):
        rows, columns = np.nonzero(holes(type='CoarseDropout', max_holes=1, max_height=.4, max_width=.4, min_holes=1,
                                         min_height=.2, min_width=.2))
        assert all(12 <= np.ptp(side) + 1 <= 26 for side in (rows, columns))


def test_one_end_is_both() -> None:
    assert holes(type='CoarseDropout', max_holes=1, max_height=16, max_width=8).sum() == 16 * 8


def test_the_grid_of_hrnet_for_coco_wholebody() -> None:
    assert .1 < holes(type='GridDropout', unit_size_min=10, unit_size_max=40, random_offset=True).mean() < .5


def test_transforms_within_transforms_and_others() -> None:
    picture = np.zeros((32, 32, 3), np.uint8)
    transform = Albumentation(transforms=[
        dict(type='OneOf', transforms=[dict(type='Blur', p=1), dict(type='CoarseDropout', max_holes=2, fill_value=9)], p=1)])
    assert transform(dict(img=picture))['img'].shape == picture.shape


@pytest.mark.skipif('albumentations' not in active(), reason='needs albumentations 2')
def test_an_argument_that_would_be_left_out_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"'var_limit' are not valid for transform GaussNoise: albumentations 2 .*<2'"):
        Albumentation(transforms=[dict(type='GaussNoise', var_limit=(10, 50))])


def test_names_of_version_2_stay() -> None:
    cfg = dict(type='CoarseDropout', num_holes_range=(1, 2), fill=3, p=.5)
    assert in_names_of_2(cfg) == cfg
    assert in_names_of_2(dict(type='CoarseDropout', min_holes=2)) == dict(type='CoarseDropout', num_holes_range=(2, 8))
