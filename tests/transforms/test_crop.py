"""RandomBBoxTransform and TopdownAffine: what MMPose's make, with the same random numbers."""
import cv2
import numpy as np
import pytest
from mmpose.datasets import transforms as mmpose_transforms

from rsn_mm import transforms

SIZE = (48, 64)


@pytest.fixture
def photo() -> np.ndarray:
    """Blobs of some 6 px and full contrast, (150, 200, 3)."""
    noise = np.random.default_rng(0).normal(size=(150, 200, 3))
    return np.clip(128 + 700 * cv2.GaussianBlur(noise, (0, 0), 3), 0, 255).astype(np.uint8)


def person(image: np.ndarray, angle: float = 0., **more) -> dict:
    return dict(
        img=image,
        img_shape=image.shape[:2],
        bbox_center=np.array([[90., 70.]], np.float32),
        bbox_scale=np.array([[60., 100.]], np.float32),
        bbox_rotation=np.array([angle], np.float32),
        keypoints=np.random.default_rng(1).uniform(0, 150, (1, 5, 2)).astype(np.float32),
        keypoints_visible=np.ones((1, 5), np.float32),
        flip_indices=[0, 2, 1, 4, 3],
        **more)


class TestRandomBBoxTransform:

    def test_mmposes_numbers(self):
        """Same seed, same boxes: MMPose draws by the same inverse, a hundred times more slowly."""
        arguments = dict(shift_prob=.5, scale_factor=(.7, 1.35), rotate_factor=45., rotate_prob=.5)
        made = []
        for kind in (transforms.RandomBBoxTransform, mmpose_transforms.RandomBBoxTransform):
            np.random.seed(5)
            made.append([kind(**arguments)(person(np.zeros((2, 2, 3)))) for _ in range(50)])
        for ours, theirs in zip(*made):
            for key in ('bbox_center', 'bbox_scale', 'bbox_rotation'):
                np.testing.assert_allclose(ours[key], theirs[key], rtol=1e-6)

    def test_bounds(self):
        values = transforms.RandomBBoxTransform._truncnorm(-1., 2., (1000, 2))
        assert values.shape == (1000, 2) and values.dtype == np.float32
        assert -1 <= values.min() < -.95 and 1.9 < values.max() <= 2


class TestTopdownAffine:

    @pytest.mark.parametrize('use_udp', [False, True])
    @pytest.mark.parametrize('angle', [0., 30.])
    def test_bit_equal_if_not_mirrored(self, photo, use_udp, angle):
        ours, theirs = (module.TopdownAffine(SIZE, use_udp)(person(photo, angle)) for module in (transforms, mmpose_transforms))
        np.testing.assert_equal(ours, theirs)

    @pytest.mark.parametrize('direction', ['horizontal', 'vertical', 'diagonal'])
    @pytest.mark.parametrize('use_udp', [False, True])
    @pytest.mark.parametrize('angle', [0., -40.])
    def test_mirrored(self, photo, direction, use_udp, angle):
        flip = mmpose_transforms.RandomFlip(prob=1., direction=direction)
        ours, theirs = (module.TopdownAffine(SIZE, use_udp)(flip(person(photo, angle)))
                        for module in (transforms, mmpose_transforms))
        difference = np.abs(ours.pop('img').astype(int) - theirs.pop('img'))
        # OpenCV 4 rounds coordinates to 1/32 px.
        largest, mean = (1, .01) if cv2.__version__ >= '5' else (2, .03)
        assert difference.max() <= largest and difference.mean() < mean
        np.testing.assert_equal(ours, theirs)

    def test_mirrored_crop_across_the_border(self, photo):
        results = mmpose_transforms.RandomFlip(prob=1.)(person(photo))
        results['bbox_center'][:] = 0
        ours, theirs = (module.TopdownAffine(SIZE)(dict(results)) for module in (transforms, mmpose_transforms))
        assert np.abs(ours['img'].astype(int) - theirs['img']).max() <= 1
        assert (ours['img'][:20, :10] == 0).all() and ours['img'].any()

    def test_mirrored_photo_of_the_cache(self, photo):
        """Read-only, and as it was afterwards."""
        before = photo.copy()
        photo.flags.writeable = False
        made = transforms.TopdownAffine(SIZE)(mmpose_transforms.RandomFlip(prob=1.)(person(photo)))
        assert made['img'].shape == (64, 48, 3)
        np.testing.assert_array_equal(photo, before)

    def test_several_images(self, photo):
        made = transforms.TopdownAffine(SIZE)(person(photo) | dict(img=[photo, photo]))
        assert len(made['img']) == 2 and made['img'][0].shape == (64, 48, 3)
