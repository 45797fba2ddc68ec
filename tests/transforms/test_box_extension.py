"""The authors' random crops: bounds and means of what is drawn, mmcv's cached randomness, errors at construction."""
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
from mmcv.transforms.utils import cache_random_params
from mmengine.config import Config
from mmpose.datasets.transforms import GetBBoxCenterScale, RandomBBoxTransform

from rsn_mm.transforms import RandomBoxExtension, RandomHalfBodyBox, UniformBBoxTransform

DRAWS = 4000
UPPER = (0, 1, 2, 3, 4)


def person(flags=(1, ) * 9) -> dict:
    """Joints 0 to 4 lie in x 0..40, y 0..20, joints 5 to 8 in x 10..20, y 50..90; a box around nothing in particular."""
    upper = [[0, 0], [40, 10], [10, 20], [20, 5], [30, 15]]
    lower = [[10, 50], [20, 60], [12, 70], [15, 90]]
    return dict(
        keypoints=np.array([upper + lower], np.float32),
        keypoints_visible=np.array([flags], np.float32),
        upper_body_ids=list(UPPER),
        bbox_center=np.array([[300., 200.]], np.float32),
        bbox_scale=np.array([[50., 100.]], np.float32))


def draws(transform: Callable[[dict], dict], key: str, make=person) -> np.ndarray:
    return np.array([transform(make())[key][0] for _ in range(DRAWS)])


def assert_uniform(values: np.ndarray, low: float, high: float) -> None:
    """Bounds exactly, mean and deciles within four standard errors."""
    assert low <= values.min() and values.max() <= high
    share = (values - low) / (high - low)
    assert abs(share.mean() - .5) < 4 * np.sqrt(1 / 12 / len(values))
    counts = np.histogram(share, bins=10, range=(0, 1))[0]
    assert np.abs(counts / len(values) - .1).max() < 4 * np.sqrt(.09 / len(values))


class TestRandomBoxExtension:

    def test_distribution(self):
        factors = draws(RandomBoxExtension((.6, .8)), 'bbox_scale') / [50, 100]
        assert_uniform(factors[:, 0], 1, 1.6)
        assert_uniform(factors[:, 1], 1, 1.8)
        assert abs(np.corrcoef(factors.T)[0, 1]) < 4 / np.sqrt(DRAWS)  # each axis has a number of its own

    def test_nothing_to_extend(self):
        given = person()
        assert RandomBoxExtension((0, 0))(given)['bbox_scale'].tolist() == [[50, 100]]

    def test_boxes_differ_and_input_stays(self):
        scale = np.ones((3, 2), np.float32)
        extended = RandomBoxExtension()(dict(bbox_scale=scale))['bbox_scale']
        assert len(np.unique(extended)) == 6 and extended.dtype == np.float32
        assert (scale == 1).all()

    def test_no_boxes(self):
        assert RandomBoxExtension()(dict(bbox_scale=np.zeros((0, 2))))['bbox_scale'].shape == (0, 2)

    def test_after_the_constant_extension(self):
        """The authors' order: 5 % first, the random part of what results."""
        results = GetBBoxCenterScale(padding=1.05)(dict(bbox=np.array([[0., 0., 100., 200.]])))
        scale = RandomBoxExtension((.6, .8))(results)['bbox_scale'][0]
        assert 105 <= scale[0] <= 105 * 1.6 and 210 <= scale[1] <= 210 * 1.8

    @pytest.mark.parametrize('extension', [.6, (.6, ), (.6, -.1), (.6, .8, 1.), ('a', 'b'), None, (.1, np.inf), (np.nan, 0)])
    def test_wrong_extension(self, extension):
        with pytest.raises(ValueError, match=r'max_extension=.* two numbers of at least 0, for example \(0\.6, 0\.8\)'):
            RandomBoxExtension(extension)


class TestUniformBBoxTransform:

    def test_distributions(self):
        transform = UniformBBoxTransform(scale_factor=(.6, 1.), rotate_factor=45., rotate_prob=.5)
        results = [transform(person()) for _ in range(DRAWS)]
        scales = np.array([result['bbox_scale'][0] for result in results]) / [50, 100]
        np.testing.assert_allclose(scales[:, 0], scales[:, 1], rtol=1e-6)
        assert_uniform(scales[:, 0].clip(.6, 1), .6, 1.)  # float32 rounds the ends
        angles = np.array([result['bbox_rotation'][0] for result in results])
        assert abs((angles != 0).mean() - .5) < 4 * np.sqrt(.25 / DRAWS)
        assert_uniform(angles[angles != 0], -45, 45)
        assert (np.array([result['bbox_center'] for result in results]) == [300, 200]).all()

    def test_mmposes_is_not_uniform(self):
        """Why there is a class: MMPose's scales gather in the middle."""
        scales = draws(RandomBBoxTransform(shift_prob=0., scale_factor=(.6, 1.)), 'bbox_scale')[:, 0] / 50
        with pytest.raises(AssertionError):
            assert_uniform(scales.clip(.6, 1), .6, 1.)

    def test_mpii(self):
        """No shrinking, +-60 degrees."""
        transform = UniformBBoxTransform(scale_factor=(.75, 1.25), rotate_factor=60., rotate_prob=1.)
        assert_uniform(draws(transform, 'bbox_rotation'), -60, 60)

    def test_shift(self):
        centers = draws(UniformBBoxTransform(shift_factor=.1, shift_prob=1.), 'bbox_center') - [300, 200]
        assert_uniform(centers[:, 0].clip(-5, 5), -5, 5)

    @pytest.mark.parametrize('arguments, message', [
        (dict(rotate_prob=1.1), r'rotate_prob=1\.1 is not a probability'),
        (dict(scale_prob=-.1), r'scale_prob=-0\.1 is not a probability'),
        (dict(scale_factor=(1.2, .8)), r'scale_factor=\(1\.2, 0\.8\) must be the least and the largest'),
        (dict(scale_factor=(0., .8)), '0 < least <= largest'),
        (dict(rotate_factor=-45.), r'rotate_factor=-45\.0 must be at least 0'),
    ])
    def test_wrong_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            UniformBBoxTransform(**arguments)


class TestRandomHalfBodyBox:

    def test_how_often(self):
        centers = draws(RandomHalfBodyBox(prob=.3), 'bbox_center')
        assert abs((centers[:, 0] != 300).mean() - .3) < 4 * np.sqrt(.21 / DRAWS)

    def test_which_half_and_its_box(self):
        transform = RandomHalfBodyBox(prob=1., max_extension=(.6, .8))
        results = [transform(person()) for _ in range(DRAWS)]
        centers = np.array([result['bbox_center'][0] for result in results])
        upper = (centers == [20, 10]).all(axis=1)
        assert (centers[~upper] == [15, 70]).all()
        # P(standard normal < 0.5), from its distribution function.
        assert abs(upper.mean() - .69146) < 4 * np.sqrt(.2133 / DRAWS)
        scales = np.array([result['bbox_scale'][0] for result in results])
        assert_uniform((scales[upper, 0] / 40).clip(1, 1.6), 1, 1.6)
        assert_uniform((scales[upper, 1] / 20).clip(1, 1.8), 1, 1.8)
        assert_uniform((scales[~upper, 1] / 40).clip(1, 1.8), 1, 1.8)

    @pytest.mark.parametrize('flags, center', [
        ((1, 1, 1, 0, 0, 0, 0, 0, 0), [300, 200]),  # 3 joints: not more than 3
        ((1, 1, 1, 1, 0, 0, 0, 0, 0), [20, 10]),  # no lower half
        ((0, 0, 0, 0, 0, 1, 1, 1, 1), [15, 70]),  # no upper half
        ((1, 1, 1, 0, 0, 1, 1, 0, 0), [20, 10]),  # neither has 4: the upper
        ((1, 1, 0, 0, 0, 1, 1, 1, 0), [300, 200]),  # neither has 4, and the upper not even 3
    ])
    def test_halves_with_few_joints(self, flags, center):
        transform = RandomHalfBodyBox(prob=1.)
        assert all(transform(person(flags))['bbox_center'][0].tolist() == center for _ in range(20))

    def test_joints_in_one_point_leave_the_box(self):
        given = person()
        given['keypoints'][:] = 7.
        result = RandomHalfBodyBox(prob=1.)(given)
        assert (result['bbox_center'].tolist(), result['bbox_scale'].tolist()) == ([[300, 200]], [[50, 100]])

    def test_joints_of_the_upper_half_can_be_named(self):
        transform = RandomHalfBodyBox(prob=1., upper_prob=1., max_extension=(0, 0), upper_body_ids=(5, 6, 7, 8))
        assert transform(person())['bbox_scale'].tolist() == [[10, 40]]

    def test_several_people_and_input_stays(self):
        one = person()
        several = {key: np.concatenate([value] * 50) if isinstance(value, np.ndarray) else value for key, value in one.items()}
        before = several['bbox_center'].copy()
        given = several['bbox_center']
        centers = RandomHalfBodyBox(prob=.5)(several)['bbox_center']
        assert len(np.unique(centers, axis=0)) == 3
        np.testing.assert_array_equal(given, before)

    @pytest.mark.parametrize('arguments, message', [
        (dict(prob=2.), r'prob=2\.0 is not a probability'),
        (dict(upper_prob=-1.), r'upper_prob=-1\.0 is not a probability'),
        (dict(min_total_keypoints=0), 'min_total_keypoints=0 must be a number of joints'),
        (dict(min_half_keypoints=1.5), r'min_half_keypoints=1\.5 must be a number of joints'),
        (dict(max_extension=(-1, 0)), r'max_extension=\(-1, 0\) must be'),
    ])
    def test_wrong_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            RandomHalfBodyBox(**arguments)


@pytest.mark.parametrize('transform, key', [
    (RandomBoxExtension(), 'bbox_scale'),
    (UniformBBoxTransform(), 'bbox_scale'),
    (RandomHalfBodyBox(prob=.5), 'bbox_scale'),
])
class TestRandomness:

    def test_same_seed_same_draws(self, transform, key):
        np.random.seed(3)
        first = draws(transform, key)[:20]
        np.random.seed(3)
        np.testing.assert_array_equal(draws(transform, key)[:20], first)
        assert len(np.unique(first, axis=0)) > 2

    def test_cached_within_mmcvs_context(self, transform, key):
        """mmcv's cache_random_params: what was drawn once is drawn again until the context ends."""
        with cache_random_params(transform):
            cached = {transform(person())[key].tobytes() for _ in range(20)}
        free = {transform(person())[key].tobytes() for _ in range(20)}
        assert len(cached) == 1 and len(free) > 1


def test_repr_shows_the_arguments():
    assert repr(RandomBoxExtension((.1, .2))) == 'RandomBoxExtension(max_extension=(0.1, 0.2))'
    assert 'upper_body_ids=(1, 2)' in repr(RandomHalfBodyBox(upper_body_ids=[1, 2]))


class TestConfigOfTheReleasedCode:
    """configs/rsn18_coco_256x192_authors.py against the numbers of the authors' attribute.py and config.py."""

    @pytest.fixture
    def config(self) -> Config:
        return Config.fromfile(Path(__file__).parents[2] / 'configs' / 'rsn18_coco_256x192_authors.py')

    def test_crops(self, config):
        steps = {step.type: step for step in config.train_dataloader.dataset.pipeline}
        assert steps['GetBBoxCenterScale'].padding == 1.05
        assert tuple(steps['rsn_mm.RandomBoxExtension'].max_extension) == (.6, .8)
        half = steps['rsn_mm.RandomHalfBodyBox']
        assert (half.prob, half.min_total_keypoints, tuple(half.max_extension)) == (.3, 4, (.6, .8))
        assert tuple(half.upper_body_ids) == tuple(range(13))
        random = steps['rsn_mm.UniformBBoxTransform']
        assert tuple(random.scale_factor) == pytest.approx((.8 * .75, .8 * 1.25))
        assert (random.rotate_factor, random.rotate_prob) == (45, .5)
        assert RandomHalfBodyBox().upper_prob == pytest.approx(.69146, abs=1e-5)
        assert tuple(config.val_dataloader.dataset.pipeline[1].padding) == (1.09, 1.135)

    def test_joints_left_out_and_coarse_to_fine(self, config):
        steps = {step.type: step for step in config.train_dataloader.dataset.pipeline}
        assert 'rsn_mm.LoadVisibility' in steps and config.model.head.get('visibility_rule', 'authors') == 'authors'
        assert [codec.kernel_size for codec in config.model.head.encoder] == [15, 11, 9, 7, 5]

    def test_images_are_bgr(self, config):
        """ImageNet's mean and deviation, 0 to 255, in BGR order, and no change of order."""
        preprocessor = config.model.data_preprocessor
        assert preprocessor.bgr_to_rgb is False
        assert preprocessor.mean == pytest.approx([255 * m for m in (.406, .456, .485)], abs=.01)
        assert preprocessor.std == pytest.approx([255 * s for s in (.225, .224, .229)], abs=.01)

    def test_schedule(self, config):
        assert (config.train_dataloader.batch_size, config.train_cfg.max_iters) == (32, 96000)
        assert dict(config.optim_wrapper.optimizer) == dict(type='Adam', lr=5e-4, weight_decay=1e-5)
        assert (config.auto_scale_lr.enable, config.auto_scale_lr.base_batch_size) == (True, 32)
        assert [(s.begin, s.end, s.by_epoch) for s in config.param_scheduler] == [(0, 2400, False), (2400, 96000, False)]
