"""LoadVisibility: COCO's occluded joints told from visible ones, mirrored or not."""
import numpy as np
import pytest
from mmpose.datasets.transforms import RandomFlip

from rsn_mm.transforms import LoadVisibility


def results(flags, **kwargs) -> dict:
    joints = [value for flag in flags for value in (5., 6., flag)]
    visible = np.clip([flags], 0, 1).astype(np.float32)
    return dict(dict(raw_ann_info=dict(keypoints=joints), keypoints_visible=visible), **kwargs)


class TestLoadVisibility:

    def test_flags_become_fractions(self):
        visible = LoadVisibility()(results([0, 1, 2]))['keypoints_visible']
        assert visible.tolist() == [[0, .5, 1]] and visible.dtype == np.float32

    def test_mirrored_person(self):
        """Left and right joints have changed places in keypoints; so must their flags."""
        visible = LoadVisibility()(results([0, 1, 2], flip=True, flip_indices=[2, 1, 0],
                                           keypoints_visible=np.float32([[1, 1, 0]])))['keypoints_visible']
        assert visible.tolist() == [[1, .5, 0]]

    def test_person_that_was_not_mirrored(self):
        visible = LoadVisibility()(results([0, 1, 2], flip=False, flip_indices=[2, 1, 0]))['keypoints_visible']
        assert visible.tolist() == [[0, .5, 1]]

    def test_flags_outside_cocos(self):
        assert LoadVisibility()(results([-1, 3]))['keypoints_visible'].tolist() == [[0, 1]]

    def test_what_is_hidden_stays_hidden(self):
        given = results([2, 1, 2], keypoints_visible=np.float32([[0, 0, 1]]))
        assert LoadVisibility()(given)['keypoints_visible'].tolist() == [[0, 0, 1]]

    def test_annotation_is_not_modified(self):
        given = results([0, 1, 2])
        LoadVisibility()(given)
        assert given['raw_ann_info']['keypoints'] == [5., 6., 0, 5., 6., 1, 5., 6., 2]

    def test_other_number_of_joints(self):
        given = results([0, 1, 2], id=7)
        given['keypoints_visible'] = np.ones((1, 4), np.float32)
        with pytest.raises(ValueError, match=r'Annotation 7 has 3 joints, the sample \(1, 4\)\. .*COCO format'):
            LoadVisibility()(given)

    def test_goes_with_mmposes_flip(self):
        """Through MMPose's own RandomFlip: the flag stays with its joint."""
        given = results([0, 1, 2], img=np.zeros((4, 8, 3), np.uint8), img_shape=(4, 8), flip_indices=[0, 2, 1],
                        keypoints=np.array([[[0., 0.], [1., 0.], [2., 0.]]]), bbox_center=np.array([[4., 2.]]))
        flipped = LoadVisibility()(RandomFlip(prob=1.)(given))
        assert flipped['keypoints'][0, :, 0].tolist() == [7, 5, 6]
        assert flipped['keypoints_visible'].tolist() == [[0, 1, .5]]
