"""Crops as MMPose's test pipeline makes them."""
import numpy as np
import pytest
from mmengine.config import Config
from mmpose.datasets.transforms import GetBBoxCenterScale, TopdownAffine

from rsn_mm.apis.crops import CropRule, usable

BOXES = np.array([[10, 5, 80, 110], [60.5, 20.25, 120, 40], [-30, 40, 50, 200]], np.float32)
IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


@pytest.mark.parametrize('use_udp', [False, True])
@pytest.mark.parametrize('padding', [(1.09, 1.135), 1.25])
def test_crops_are_those_of_the_pipeline(padding, use_udp: bool) -> None:
    steps = [GetBBoxCenterScale(padding=padding), TopdownAffine(input_size=(48, 64), use_udp=use_udp)]
    rule = CropRule.from_pipeline([dict(type='LoadImage'), dict(type='GetBBoxCenterScale', padding=padding),
                                   dict(type='mmpose.TopdownAffine', input_size=(48, 64), use_udp=use_udp)])
    joints = np.random.default_rng(1).uniform(0, 48, (3, 17, 2))
    crops, mapped = rule.crop(IMAGE, BOXES), rule.to_image(joints, BOXES)
    assert crops.shape == (3, 64, 48, 3) and mapped.dtype == np.float32
    for box, crop, own, joint in zip(BOXES, crops, mapped, joints):
        results = dict(img=IMAGE, bbox=box[None])
        for step in steps:
            results = step(results)
        np.testing.assert_array_equal(crop, results['img'])
        expected = joint / (48, 64) * results['input_scale'] + results['input_center'] - 0.5 * results['input_scale']
        np.testing.assert_allclose(own, expected, atol=1e-4)


def test_no_boxes_make_no_crops() -> None:
    rule = CropRule((48, 64), (1., 1.))
    assert rule.crop(IMAGE, np.zeros((0, 4))).shape == (0, 64, 48, 3)
    assert rule.to_image(np.zeros((0, 17, 2)), np.zeros((0, 4))).shape == (0, 17, 2)


def test_the_rule_of_every_config_is_read(config_dir) -> None:
    rules = {path.stem: CropRule.from_pipeline(Config.fromfile(path).test_dataloader.dataset.pipeline)
             for path in [config_dir / f'{name}.py' for name in (
                 'rsn18_coco_256x192', 'rsn18_udp_coco_256x192', 'rsn18_mpii_256x256', '4xrsn50_coco_384x288')]}
    assert rules == dict(rsn18_coco_256x192=CropRule((192, 256), (1.09, 1.135)),
                         rsn18_udp_coco_256x192=CropRule((192, 256), (1.09, 1.135), use_udp=True),
                         rsn18_mpii_256x256=CropRule((256, 256), (1.25, 1.25)),
                         **{'4xrsn50_coco_384x288': CropRule((288, 384), (1.09, 1.135))})


@pytest.mark.parametrize('steps, message', [
    (['LoadImage', 'BottomupResize', 'PackPoseInputs'], 'it has BottomupResize'),
    (['LoadImage', 'GetBBoxCenterScale', 'PackPoseInputs'], 'it lacks TopdownAffine'),
])
def test_other_pipelines_are_refused(steps, message: str) -> None:
    with pytest.raises(ValueError, match=f'{message}.*MMPoseInferencer'):
        CropRule.from_pipeline([dict(type=step) for step in steps])


def test_boxes_that_touch_the_picture_are_usable() -> None:
    nan = np.nan
    boxes = np.array([[0, 0, 10, 10], [-5, -5, 0.5, 0.5], [99, 49, 200, 200], [100, 0, 120, 20], [0, 50, 9, 60],
                      [-9, 0, 0, 9], [5, 5, 5, 9], [5, 9, 9, 5], [nan, 0, 1, 1], [0, 0, np.inf, 1]])
    assert usable(boxes, (100, 50)).tolist() == [True] * 3 + [False] * 7
