"""PCK of the torso, counted by hand."""
import numpy as np
import pytest
from mmengine.logging import MMLogger

from rsn_mm.evaluation import TorsoPCKAccuracy

NAMES = ('left_shoulder', 'right_shoulder', 'left_hip', 'right_hip', 'left_wrist')
# Left shoulder to right hip: 50 px. 0.2 of it is 10 px.
TRUTH = np.array([[10., 10.], [40., 10.], [10., 50.], [40., 50.], [0., 70.]])


def sample(off, visible=None, truth=TRUTH):
    """A person whose predictions are ``off`` px (K, ) to the right."""
    visible = np.ones((1, len(NAMES))) if visible is None else np.array([visible], float)
    return dict(
        pred_instances=dict(keypoints=(truth + np.stack([off, np.zeros(len(NAMES))], axis=1))[None]),
        gt_instances=dict(keypoints=truth[None], keypoints_visible=visible, bboxes=np.array([[0., 0., 50., 80.]])))


def evaluate(*samples, **kwargs):
    metric = TorsoPCKAccuracy(**kwargs)
    metric.dataset_meta = dict(dataset_name='five', keypoint_name2id={name: i for i, name in enumerate(NAMES)})
    metric.process([], samples)
    return metric.evaluate(len(samples))


def test_joints_within_a_fifth_of_the_torso_are_right():
    assert evaluate(sample([0, 9.9, 10.1, 0, 100]))['tPCK'] == pytest.approx(3 / 5)


def test_the_share_is_of_each_joint_then_of_all():
    # The wrist is labelled in one of two: 1 of 1. Shoulders and hips: 2 of 2.
    values = evaluate(sample([0, 0, 0, 0, 30], [1, 1, 1, 1, 0]), sample([0, 0, 0, 0, 5]))
    assert values['tPCK'] == 1
    assert evaluate(sample([0, 0, 0, 0, 30]), sample([0, 0, 0, 0, 5]))['tPCK'] == pytest.approx((4 + 0.5) / 5)


def test_threshold_and_torso_are_arguments():
    assert evaluate(sample([0, 0, 0, 0, 12]), thr=0.25)['tPCK'] == 1
    # Right shoulder to right hip: 40 px.
    values = evaluate(sample([0, 0, 0, 0, 9]), torso=('right_shoulder', 'right_hip'))
    assert values['tPCK'] == pytest.approx(4 / 5)


def test_weights_beside_the_flags_are_not_read():
    both = sample([0, 0, 0, 0, 0])
    both['gt_instances']['keypoints_visible'] = np.stack([np.ones((1, 5)), np.zeros((1, 5))], axis=2)
    assert evaluate(both)['tPCK'] == 1


def test_people_without_a_torso_are_left_out_and_counted(caplog, monkeypatch):
    monkeypatch.setattr(MMLogger.get_current_instance(), 'handlers', [caplog.handler])
    point = TRUTH.copy()
    point[3] = point[0]
    values = evaluate(sample([0] * 5), sample([99] * 5, [0, 1, 1, 1, 1]), sample([99] * 5, truth=point))
    assert values['tPCK'] == 1
    assert 'leaves out 2 of 3 people' in caplog.text


def test_nobody_has_a_torso():
    assert np.isnan(evaluate(sample([0] * 5, [0] * 5))['tPCK'])


def test_wrong_arguments():
    with pytest.raises(ValueError, match='thr=0'):
        TorsoPCKAccuracy(thr=0)
    with pytest.raises(ValueError, match="torso='left_hip'"):
        TorsoPCKAccuracy(torso='left_hip')
    with pytest.raises(ValueError, match=r'names nose, which the data set .five. does not have'):
        evaluate(sample([0] * 5), torso=('nose', 'left_hip'))
