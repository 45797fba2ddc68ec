"""Object keypoint similarity against numbers derived by hand."""
import numpy as np

from rsn_mm.compat.coco.oks import oks_matrix


class TestOks:

    def test_one_joint_by_hand(self):
        pose = np.array([[[10., 20., 2.]]])
        moved = pose + [3., 4., 0.]
        oks = oks_matrix(moved, pose, np.array([[0., 0., 40., 50.]]), np.array([1000.]), np.array([.1]))
        np.testing.assert_allclose(oks, [[np.exp(-25 / (2 * 1000 * .2**2))]], rtol=1e-12)

    def test_unlabelled_joints_do_not_count(self):
        pose = np.array([[[10., 20., 2.], [0., 0., 0.]]])
        found = np.array([[[10., 20., 1.], [np.nan, 300., 1.]]])
        boxes = np.array([[0., 0., 40., 50.]])
        assert oks_matrix(found, pose, boxes, np.array([1000.]), np.array([.1, .1])).item() == 1

    def test_person_without_labels_is_a_region(self):
        """The box 100..150 x 200..300 grows to 50..200 x 100..400; outside, the distance to its border counts."""
        found = np.array([[[50., 400., 1.], [210., 250., 1.]]])
        oks = oks_matrix(found, np.zeros((1, 2, 3)), np.array([[100., 200., 50., 100.]]), np.array([1000.]),
                         np.array([.1, .1]))
        np.testing.assert_allclose(oks, [[(1 + np.exp(-100 / (2 * 1000 * .2**2))) / 2]], rtol=1e-12)
