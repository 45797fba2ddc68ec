import numpy as np
import pytest
from pycocotools import mask as coco_mask

from rsn_mm.synthetic import scene
from rsn_mm.synthetic.skeleton import KEYPOINT_NAMES

WIDTH, HEIGHT = 200, 160


@pytest.fixture(scope='module')
def pictures():
    return [scene.make_picture(np.random.default_rng((9, index)), WIDTH, HEIGHT, 4) for index in range(40)]


@pytest.fixture(scope='module')
def people(pictures):
    return [(picture, person) for picture in pictures for person in picture.people]


def named(person):
    return dict(zip(KEYPOINT_NAMES, person.keypoints))


def subpixel(x, y):
    """Row and column of the subpixel in which keypoint coordinates (0: middle of the first pixel) lie."""
    return int(np.floor(2 * (y + 0.5))), int(np.floor(2 * (x + 0.5)))


def test_picture_and_number_of_people(pictures):
    counts = set()
    for picture in pictures:
        assert picture.image.shape == (HEIGHT, WIDTH, 3) and picture.image.dtype == np.uint8
        assert picture.ids.shape == (2 * HEIGHT, 2 * WIDTH)
        assert [person.number for person in picture.people] == list(range(1, len(picture.people) + 1))
        counts.add(len(picture.people))
    assert counts == {1, 2, 3, 4}
    assert len(scene.make_picture(np.random.default_rng(0), WIDTH, HEIGHT, 1).people) == 1


def test_visible_keypoints_lie_on_their_person_and_hidden_ones_do_not(people):
    seen = {0: 0, 1: 0, 2: 0}
    hidden_by = {'self': 0, 'person': 0, 'object': 0}
    for picture, person in people:
        for (x, y, flag), joint, reach in zip(person.keypoints, person.figure.joints, person.figure.reach):
            seen[int(flag)] += 1
            if flag == 0:
                assert (x, y) == (0, 0)
                column, row = joint[:2] / 2 - 0.5
                assert not (0 <= column <= WIDTH - 1 and 0 <= row <= HEIGHT - 1)
                continue
            assert 0 <= x <= WIDTH - 1 and 0 <= y <= HEIGHT - 1
            np.testing.assert_allclose((x, y), joint[:2] / 2 - 0.5, atol=0.006)
            # Coordinates are rounded to 0.01, so the subpixel is taken from the exact ones.
            row, column = int(joint[1]), int(joint[0])
            owner, gap = picture.ids[row, column], picture.depth[row, column] - joint[2]
            if flag == 2:
                assert owner == person.number and gap <= reach
            elif owner == person.number:
                assert gap > reach
                hidden_by['self'] += 1
            else:
                hidden_by['person' if owner > 0 else 'object'] += 1
    assert min(seen.values()) > 20 and min(hidden_by.values()) > 0
    assert seen[2] > 0.6 * sum(seen.values())


def test_limb_in_front_of_a_joint_hides_it(people):
    gaps = [picture.depth[int(joint[1]), int(joint[0])] - joint[2]
            for picture, person in people for joint, flag in zip(person.figure.joints, person.keypoints[:, 2])
            if flag == 2]
    # A body is about a fifth of its stature deep; what is called visible lies just below the surface.
    statures = [person.figure.stature for _, person in people]
    assert max(gaps) < 0.15 * max(statures)


def test_boxes_are_tight_clipped_and_hold_the_visible_keypoints(people):
    for picture, person in people:
        x, y, width, height = person.box
        assert x >= 0 and y >= 0 and x + width <= WIDTH and y + height <= HEIGHT
        rows, columns = np.nonzero(picture.ids == person.number)
        edges = np.array((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)) / 2
        np.testing.assert_allclose((x, y, x + width, y + height), edges, atol=0.51)
        for column, row, flag in person.keypoints:
            if flag == 2:
                assert x - 1e-6 <= column <= x + width + 1e-6 and y - 1e-6 <= row <= y + height + 1e-6


def test_area_counts_the_visible_pixels_and_the_outline_follows_them(people):
    for picture, person in people:
        mask = picture.ids == person.number
        assert person.area == mask.sum() / 4
        codes = coco_mask.frPyObjects([(2 * np.array(polygon)).tolist() for polygon in person.segmentation],
                                      2 * HEIGHT, 2 * WIDTH)
        outline = coco_mask.decode(coco_mask.merge(codes)).astype(bool)
        # Holes, as inside an arm on a hip, are filled; nothing of the person is left out but the rounded rim.
        assert (outline & mask).sum() > 0.92 * mask.sum()
        assert outline.sum() < 1.5 * mask.sum()


def test_left_and_right_are_the_persons_own(people):
    checked = {'front': 0, 'back': 0}
    for _, person in people:
        pose = person.figure.pose
        yaw = (pose.yaw + 180) % 360 - 180
        if abs(pose.roll) > 30 or 40 < abs(yaw) < 140:
            continue
        sign = 1 if abs(yaw) <= 40 else -1
        points = dict(zip(KEYPOINT_NAMES, person.figure.joints))
        for joint in ('shoulder', 'hip'):
            assert sign * (points[f'left_{joint}'][0] - points[f'right_{joint}'][0]) > 0
        flags = {name: value[2] for name, value in named(person).items()}
        if abs(yaw) > 160 and abs(pose.angles['head_yaw']) < 20:
            assert all(flags[name] < 2 for name in ('nose', 'left_eye', 'right_eye'))
        checked['front' if sign == 1 else 'back'] += 1
    assert min(checked.values()) > 3


def test_enough_of_everybody_is_seen(people):
    for picture, person in people:
        assert (person.keypoints[:, 2] > 0).sum() >= scene.LEAST_JOINTS
        assert person.area > 0.003 * WIDTH * HEIGHT


def test_flags_at_the_border_and_behind_other_things():
    ids = np.zeros((8, 8), np.int8)
    ids[:, :4] = 1
    ids[4, 1], ids[5, 1] = 2, scene.FOREGROUND
    depth = np.full((8, 8), 10, np.float32)
    joints = np.array(((1.5, 1.5, 8), (1.5, 1.5, 6.9), (1.5, 4.5, 10), (1.5, 5.5, 10), (5.5, 1.5, 10),
                       (1.0, 1.0, 10), (0.9, 1.5, 10), (1.5, 7.0, 10), (1.5, 7.1, 10), (-99, 4, 10), (4, 999, 10)))
    flags = scene.keypoint_flags(joints, np.full(len(joints), 3.0), 1, ids, depth)
    assert flags.tolist() == [2, 1, 1, 1, 1, 2, 0, 2, 0, 0, 0]
    assert scene.keypoint_flags(joints, np.full(len(joints), 3.2), 1, ids, depth)[1] == 2


def test_nearer_people_stand_in_front(pictures):
    for picture in pictures:
        bottoms = [person.figure.box[3] for person in picture.people]
        assert bottoms == sorted(bottoms)
        nearest = picture.people[-1].figure
        inside = (nearest.joints[:, :2] >= 0).all(axis=1) & (nearest.joints[:, :2] < (2 * WIDTH, 2 * HEIGHT)).all(axis=1)
        columns, rows = nearest.joints[inside, :2].astype(int).T
        covering = picture.ids[rows, columns]
        assert not np.isin(covering, [person.number for person in picture.people[:-1]]).any()
