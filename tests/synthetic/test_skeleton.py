import numpy as np
import pytest

from rsn_mm.synthetic import skeleton
from rsn_mm.synthetic.skeleton import BodyShape, Pose

BONES = (('shoulder', 'elbow', 'upper_arm'), ('elbow', 'wrist', 'forearm'), ('wrist', 'fingers', 'hand'),
         ('hip', 'knee', 'thigh'), ('knee', 'ankle', 'shank'))
PAIRED = ('arm_flex', 'arm_abduct', 'arm_rotate', 'elbow', 'hip_flex', 'hip_abduct', 'hip_rotate', 'knee', 'ankle')
SINGLE = ('spine_lean', 'spine_bend', 'spine_twist', 'head_yaw', 'head_nod', 'head_tilt')


def upright(yaw=0.0, **angles):
    """Every angle zero but the given ones, seen level."""
    names = (*SINGLE, *(f'{side}_{name}' for side in ('left', 'right') for name in PAIRED))
    return Pose({name: angles.pop(name, 0.0) for name in names} | angles, yaw, 0.0, 0.0, 'standing')


@pytest.mark.parametrize('axis', (0, 1, 2))
def test_rotation_is_a_rotation_in_cyclic_order(axis):
    matrix = skeleton.rotation(axis, 90)
    np.testing.assert_allclose(matrix @ np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3], atol=1e-12)
    np.testing.assert_allclose(skeleton.rotation(axis, 33) @ skeleton.rotation(axis, -33), np.eye(3), atol=1e-12)
    assert np.linalg.det(skeleton.rotation(axis, 71)) == pytest.approx(1)


def test_bones_keep_their_length_in_every_pose():
    rng = np.random.default_rng(0)
    for _ in range(60):
        shape = skeleton.sample_shape(rng)
        points = skeleton.pose_body(shape, skeleton.sample_pose(rng)).points
        for side in ('left', 'right'):
            for start, end, bone in BONES:
                length = np.linalg.norm(points[f'{side}_{end}'] - points[f'{side}_{start}'])
                assert length == pytest.approx(getattr(shape, bone), abs=1e-9)
        assert np.linalg.norm(points['left_hip'] - points['right_hip']) == pytest.approx(2 * shape.hip_half, abs=1e-9)
        assert np.linalg.norm(points['neck'] - points['pelvis']) == pytest.approx(shape.torso, abs=1e-9)


def test_proportions_are_human():
    points = skeleton.pose_body(BodyShape(), upright()).points
    # Drillis and Contini's segment lengths as shares of the stature; the head is drawn larger than life.
    for start, end, share in (('shoulder', 'elbow', 0.186), ('elbow', 'wrist', 0.146), ('hip', 'knee', 0.245),
                              ('knee', 'ankle', 0.246)):
        assert np.linalg.norm(points[f'left_{end}'] - points[f'left_{start}']) == pytest.approx(share, rel=0.1)
    assert points['left_ankle'][1] - points['nose'][1] == pytest.approx(0.93 - 0.04, abs=0.05)
    rng = np.random.default_rng(1)
    for _ in range(50):
        ratio = np.array(skeleton.sample_shape(rng)) / np.array(BodyShape())
        assert (ratio > 0.8).all() and (ratio < 1.3).all()


def test_front_and_back_view_put_left_on_the_right_side():
    for yaw, sign in ((0, 1), (180, -1)):
        points = skeleton.pose_body(BodyShape(), upright(yaw)).points
        for joint in ('eye', 'ear', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle'):
            assert sign * (points[f'left_{joint}'][0] - points[f'right_{joint}'][0]) > 0.02, joint
        assert sign * points['nose'][2] > 0.02
        assert sign * (points['left_toes'][2] - points['left_ankle'][2]) > 0.05


def test_upright_body_is_symmetric():
    angles = {f'{side}_{name}': 20.0 for side in ('left', 'right') for name in PAIRED}
    points = skeleton.pose_body(BodyShape(), upright(**angles)).points
    for name in skeleton.KEYPOINT_NAMES[1::2]:
        np.testing.assert_allclose(points[name] * (-1, 1, 1), points[name.replace('left', 'right')], atol=1e-12)


@pytest.mark.parametrize('angle, moved, fixed, axis, sign', (
    ('left_elbow', 'left_wrist', 'left_elbow', 2, 1), ('right_knee', 'right_ankle', 'right_knee', 2, -1),
    ('left_hip_flex', 'left_knee', 'left_hip', 2, 1), ('right_arm_flex', 'right_elbow', 'right_shoulder', 2, 1),
    ('left_arm_abduct', 'left_elbow', 'left_shoulder', 0, 1), ('right_hip_abduct', 'right_knee', 'right_hip', 0, -1),
    ('spine_lean', 'neck', 'pelvis', 2, 1), ('spine_bend', 'neck', 'pelvis', 0, 1), ('head_yaw', 'nose', 'head', 0, 1),
    ('head_nod', 'nose', 'head', 1, 1), ('head_tilt', 'left_ear', 'right_ear', 1, 1),
    ('spine_twist', 'left_shoulder', 'neck', 2, -1), ('left_ankle', 'left_toes', 'left_ankle', 1, -1)))
def test_positive_angles_move_the_way_the_table_says(angle, moved, fixed, axis, sign):
    rest = skeleton.pose_body(BodyShape(), upright()).points
    bent = skeleton.pose_body(BodyShape(), upright(**{angle: 40.0})).points
    assert sign * ((bent[moved] - bent[fixed]) - (rest[moved] - rest[fixed]))[axis] > 0.01


def test_hip_and_arm_rotation_turn_the_bent_limb():
    inward = skeleton.pose_body(BodyShape(), upright(left_arm_rotate=60.0, left_elbow=90.0)).points
    assert inward['left_wrist'][0] < inward['left_elbow'][0] - 0.05
    inward = skeleton.pose_body(BodyShape(), upright(left_hip_rotate=-30.0)).points
    assert inward['left_toes'][0] > inward['left_ankle'][0] + 0.02


def test_sampled_angles_respect_the_limits_and_every_pose_occurs():
    rng = np.random.default_rng(2)
    poses = [skeleton.sample_pose(rng) for _ in range(300)]
    for pose in poses:
        assert set(pose.angles) == set(upright().angles)
        for name, value in pose.angles.items():
            low, high = skeleton.JOINT_LIMITS[name.replace('left_', '').replace('right_', '')]
            assert low <= value <= high, name
    assert {pose.legs for pose in poses} == set(skeleton.LEG_POSES)
    yaws = np.array([(pose.yaw + 180) % 360 - 180 for pose in poses])
    assert 0.3 < (np.abs(yaws) < 30).mean() < 0.6 and 0.1 < (np.abs(yaws) > 140).mean() < 0.35
    assert 0 < np.mean([abs(pose.roll) > 60 for pose in poses]) < 0.1
