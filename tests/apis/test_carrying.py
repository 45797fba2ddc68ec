"""Detection in every n-th frame: boxes follow the joints, who falls is looked for at once, who is missed once stays."""
from pathlib import Path
from typing import Dict, List, Optional

import cv2
import numpy as np
import pytest

from rsn_mm.apis import PoseInferencer
from rsn_mm.apis.carrying import CarriedPeople, Joints, moved
from rsn_mm.apis.detectors import Boxes
from rsn_mm.apis.finding import People, SpacedDetection, carry
from rsn_mm.apis.frames import Frame
from rsn_mm.apis.given_boxes import BoxesPerImage

IMAGE = np.zeros((200, 400, 3), np.uint8)
POSE = np.random.default_rng(0).uniform((5, 10), (35, 95), (17, 2))


class Walk:
    """Two people, 40x100 px, 4 px a frame: a detector and a pose model that know the truth and count what they are asked."""

    def __init__(self, missed: Optional[Dict[int, int]] = None, faint: Optional[Dict[int, int]] = None) -> None:
        self.missed, self.faint = missed or {}, faint or {}
        self.asked: List[int] = []

    def boxes(self, index: int) -> np.ndarray:
        left = np.array([10 + 4. * index, 350 - 4. * index])
        return np.stack([left, [20., 60.], left + 40, [120., 160.]], axis=1).astype(np.float32)

    def __call__(self, frame: Frame, number: int) -> Boxes:
        self.asked.append(frame.index)
        boxes = self.boxes(frame.index)
        boxes = np.delete(boxes, self.missed[frame.index], axis=0) if frame.index in self.missed else boxes
        return Boxes(boxes, np.full(len(boxes), 0.9, np.float32))

    def estimate(self, people: People) -> Joints:
        """The pose of whoever is nearest to each box."""
        truth = self.boxes(people.frame.index)
        keypoints, scores = [], []
        for box in people.boxes:
            who = int(np.abs(truth - box).sum(axis=1).argmin())
            keypoints.append(POSE + truth[who, :2])
            scores.append(np.full(17, 0.4 if self.faint.get(people.frame.index) == who else 1.))
        return Joints(np.array(keypoints).reshape(-1, 17, 2), np.array(scores).reshape(-1, 17))

    def run(self, every: int, count: int = 12) -> List[People]:
        frames = (Frame('walk', i, IMAGE, i / 25, 0.04, i) for i in range(count))
        spaced = SpacedDetection(self, every, [], 8)
        return [one for one, _ in carry(spaced(frames), CarriedPeople(0.3), self.estimate, spaced.look_again)]


def test_every_fifth_frame_is_detected_and_boxes_follow_in_between() -> None:
    walk = Walk()
    for one in walk.run(5):
        np.testing.assert_allclose(one.boxes, walk.boxes(one.frame.index), atol=1e-3)
        np.testing.assert_allclose(one.box_scores, 0.9)
    assert walk.asked == [0, 5, 10]


def test_whose_scores_fall_is_looked_for_in_that_frame() -> None:
    walk = Walk(faint={7: 1, 8: 1})
    assert [len(one.boxes) for one in walk.run(5)] == [2] * 12
    assert walk.asked == [0, 5, 7, 10]  # in 8 they are as faint as at the last detection


def test_who_is_missed_once_stays_and_who_is_missed_twice_goes() -> None:
    walk = Walk(missed={5: 0})
    assert all(len(one.boxes) == 2 for one in walk.run(5))
    twice = Walk(missed={5: 0, 10: 0}).run(5)
    assert [len(one.boxes) for one in twice] == [2] * 10 + [1] * 2


def test_two_people_with_one_pose_are_looked_for_again() -> None:
    """Boxes that come to lie on the same person are not carried on in silence."""
    walk = Walk()
    real = walk.estimate

    def same_pose(people: People) -> Joints:
        joints = real(people)
        if people.frame.index == 2 and walk.asked == [0]:
            joints.keypoints[1] = joints.keypoints[0]
        return joints

    walk.estimate = same_pose  # type: ignore[method-assign]
    walk.run(5, 5)
    assert walk.asked == [0, 2]


def test_who_leaves_the_picture_is_let_go() -> None:
    walk = Walk()
    counts = [len(one.boxes) for one in walk.run(200, 110)]
    assert counts[90] == 2 and counts[-1] == 0


def test_pictures_are_always_detected_and_every_video_begins_with_a_detection() -> None:
    walk = Walk()
    stills = [Frame(f'array {i}', 0, IMAGE, number=i) for i in range(3)]
    videos = [Frame(name, i, IMAGE, i / 25, 0.04) for name in 'ab' for i in range(3)]
    detected = [one.detected for one in SpacedDetection(walk, 5, [], 8)(iter(stills + videos))]
    assert detected == [True] * 3 + [True, False, False] * 2


def test_a_joint_that_jumps_does_not_tear_the_box() -> None:
    box = np.array([[0, 0, 40, 100]], np.float32)
    before = Joints(POSE[None], np.ones((1, 17)))
    after = POSE[None] + 2
    after[0, 0] = 500, 500
    np.testing.assert_allclose(moved(box, before, Joints(after, np.ones((1, 17))), 0.3), box + 2, atol=1e-4)
    faint = np.zeros((1, 17))
    np.testing.assert_array_equal(moved(box, before, Joints(after, faint), 0.3), box)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 255, (200, 400, 3), dtype=np.uint8)
    writer = cv2.VideoWriter(str(tmp_path / 'clip.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10., (400, 200))
    for _ in range(7):
        writer.write(noise)
    writer.release()
    return tmp_path / 'clip.avi'


def test_the_inferencer_detects_every_third_frame(inferencer: PoseInferencer, clip: Path, monkeypatch) -> None:
    walk = Walk()
    monkeypatch.setattr(inferencer, 'detector', walk)
    monkeypatch.setattr(CarriedPeople, 'have_fallen', lambda self, joints: False)  # weights are random
    results = list(inferencer(clip, det_every=3, track=True))
    assert [result.frame_index for result in results] == list(range(7)) and walk.asked == [0, 3, 6]
    assert all(len(result) == 2 and len(result.track_ids) == 2 for result in results)
    alone = list(inferencer(clip, boxes=[walk.boxes(i) for i in range(7)]))
    for i in (0, 3, 6):
        np.testing.assert_allclose(results[i].keypoints[:2], alone[i].keypoints, atol=1e-3)


def test_boxes_given_for_frames_that_are_not_due_are_not_unused(inferencer: PoseInferencer, clip: Path) -> None:
    walk = Walk()
    stream = inferencer(clip, boxes=[walk.boxes(i) for i in range(7)], det_every=4)
    assert len(list(stream)) == 7 and not stream.skipped


def test_given_boxes_that_are_passed_by_are_counted(caplog) -> None:
    walk = Walk(faint={3: 1})
    given = BoxesPerImage([walk.boxes(i) if i % 4 < 2 or i == 3 else [] for i in range(7)])
    frames = (Frame('walk', i, IMAGE, i / 25, 0.04, i) for i in range(7))
    spaced = SpacedDetection(given, 4, [], 8)
    people = [one for one, _ in carry(spaced(frames), CarriedPeople(0.3), walk.estimate, spaced.look_again)]
    assert [len(one.boxes) for one in people] == [2] * 7 and not given.left_out()
    assert 'boxes: 4 boxes of 2 frames are not used: det_every' in caplog.text  # of 1 and 5; 3 was looked at again
    assert 'without a pose' not in caplog.text


def test_another_size_is_another_video() -> None:
    walk = Walk()
    frames = [Frame('walk', i, IMAGE if i < 3 else IMAGE[:180], i / 25, 0.04, i) for i in range(6)]
    list(SpacedDetection(walk, 5, [], 8)(iter(frames)))
    assert walk.asked == [0, 3]


def test_scores_that_are_no_numbers_are_looked_for_again() -> None:
    carried = CarriedPeople(0.3)
    boxes, joints = Boxes(np.array([[0, 0, 40, 100]], np.float32), np.ones(1)), Joints(POSE[None], np.ones((1, 17)))
    carried.start(boxes, np.zeros(1, bool), joints)
    assert carried.have_fallen(Joints(POSE[None], np.full((1, 17), np.nan))) and not carried.have_fallen(joints)


@pytest.mark.parametrize('every', [np.int64(3), np.uint8(3)])
def test_whole_numbers_of_any_kind(inferencer: PoseInferencer, clip: Path, every) -> None:
    assert len(list(inferencer(clip, det_every=every, smooth=np.bool_(False)))) == 7


@pytest.mark.parametrize('every', [0, -1, 2.5, True, '5'])
def test_wrong_numbers_of_frames_are_named(inferencer: PoseInferencer, clip: Path, every) -> None:
    with pytest.raises(ValueError, match='det_every=.* must be a number of frames'):
        inferencer(clip, det_every=every)
