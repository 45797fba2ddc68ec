import numpy as np
import pytest
from pycocotools import mask as coco_mask

from rsn_mm.synthetic import scene
from rsn_mm.synthetic.body import build_parts
from rsn_mm.synthetic.figures import Figure, keypoint_reach
from rsn_mm.synthetic.outfit import sample_outfit
from rsn_mm.synthetic.render import draw_parts, place
from rsn_mm.synthetic.skeleton import ARM_ANGLES, KEYPOINT_NAMES, LEG_ANGLES, BodyShape, Pose, pose_body

WIDTH, HEIGHT = 200, 160


@pytest.fixture(scope='module')
def pictures():
    return [scene.make_picture(np.random.default_rng((9, index)), WIDTH, HEIGHT, 4) for index in range(40)]


@pytest.fixture(scope='module')
def people(pictures):
    return [(picture, person) for picture in pictures for person in picture.people]


def named(person):
    return dict(zip(KEYPOINT_NAMES, person.keypoints))


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


def flags_of_standing_person(yaw, **angles):
    """Flags by name of one person who stands in the middle of an empty picture."""
    names = ('spine_lean', 'spine_bend', 'spine_twist', 'head_yaw', 'head_nod', 'head_tilt',
             *(f'{side}_{name}' for side in ('left', 'right') for name in (*ARM_ANGLES, *LEG_ANGLES)))
    body = pose_body(BodyShape(), Pose(dict.fromkeys(names, 0.0) | angles, yaw, 0.0, 0.0, 'standing'))
    outfit = sample_outfit(np.random.default_rng(0))._replace(hair_style='bald', bottom_style='trousers')
    parts = build_parts(BodyShape(), body, outfit)
    layer = draw_parts(place(parts, 300.0, np.array((200, 200))), 300.0, (400, 400), np.array((0, 0, 1), np.float32))
    ids, depth = np.zeros((400, 400), np.int8), np.full((400, 400), -np.inf, np.float32)
    (x, y), (h, w) = layer.origin, layer.part.shape
    ids[y:y + h, x:x + w], depth[y:y + h, x:x + w] = layer.part >= 0, layer.depth
    joints = np.stack([body.points[name] for name in KEYPOINT_NAMES]) * 300 + (200, 200, 0)
    return dict(zip(KEYPOINT_NAMES, scene.keypoint_flags(joints, keypoint_reach(parts) * 300, 1, ids, depth)))


def test_front_view_shows_everything_and_back_view_hides_the_face():
    apart = {f'{side}_arm_abduct': 20.0 for side in ('left', 'right')}
    assert set(flags_of_standing_person(0, **apart).values()) == {2}
    hidden = {name for name, flag in flags_of_standing_person(180, **apart).items() if flag == 1}
    assert hidden == {'nose', 'left_eye', 'right_eye'}


def test_side_view_hides_the_far_side():
    # Turned to the left, the person's right side is the near one.
    for yaw, near, far in ((90, 'right', 'left'), (-90, 'left', 'right')):
        flags = flags_of_standing_person(yaw)
        for name in ('ear', 'shoulder', 'elbow', 'wrist', 'knee', 'ankle'):
            assert flags[f'{near}_{name}'] == 2 and flags[f'{far}_{name}'] == 1, name
        assert flags[f'{far}_hip'] == flags[f'{far}_eye'] == 1 and flags['nose'] == 2


def test_hand_before_the_face_hides_it():
    flags = flags_of_standing_person(0, left_arm_flex=75.0, left_elbow=100.0, left_arm_rotate=35.0)
    assert flags['left_elbow'] and min(flags[name] for name in ('nose', 'left_eye', 'right_eye')) == 1


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


def test_box_grows_to_a_visible_keypoint_on_the_rim():
    ids = np.zeros((40, 40), np.int8)
    ids[4:12, 4:12] = 1
    joints = np.full((17, 3), 8.0)
    joints[3, 0] = 4.2
    figure = Figure((), joints, np.ones(17), np.array((4, 4, 12, 12)), 8.0, None)
    person = scene.describe(figure, 1, ids, np.full((40, 40), 8, np.float32))
    assert person.keypoints[3].tolist() == [1.6, 3.5, 2]
    assert person.box == (1.6, 2, 4.4, 4) and person.area == 16


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
    for _, person in people:
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
        places = nearest.joints[:, :2]
        inside = ((places >= 0) & (places < (2 * WIDTH, 2 * HEIGHT))).all(axis=1)
        columns, rows = places[inside].astype(int).T
        covering = picture.ids[rows, columns]
        assert not np.isin(covering, [person.number for person in picture.people[:-1]]).any()
