"""Numbers of people: who is who after a crossing, a miss, a cut; and what results, files and overlays make of them."""
import builtins
import json
from pathlib import Path
from typing import List

import cv2
import numpy as np
import pytest

from rsn_mm.apis import PoseInferencer
from rsn_mm.apis.drawing import draw_poses, track_colour
from rsn_mm.apis.tracking import PeopleTracker, least_in_all

pytest.importorskip('norfair')
SKELETON = np.random.default_rng(0).uniform((5, 10), (35, 95), (17, 2))


def crossing(frames: int = 40) -> List[np.ndarray]:
    """Boxes (2, 4) of two people, 40x100 px, who walk through one another in opposite directions; the second is first in odd
    frames."""
    people = []
    for t in range(frames):
        lefts = np.array([20 + 5. * t, 220 - 5. * t])
        boxes = np.stack([lefts, np.array([50., 58.]), lefts + 40, np.array([150., 158.])], axis=1)
        people.append(boxes[::-1] if t % 2 else boxes)
    return people


def joints_in(boxes: np.ndarray) -> np.ndarray:
    """The same pose in each box, (N, 17, 2), mirrored in those that stand lower."""
    lower = (boxes[:, 1] > 55)[:, None]
    poses = np.repeat(SKELETON[None], len(boxes), axis=0)
    poses[..., 0] = np.where(lower, 40 - poses[..., 0], poses[..., 0])
    return poses + boxes[:, None, :2]


def test_numbers_stay_through_a_crossing_and_a_miss() -> None:
    tracker = PeopleTracker(0.3)
    numbers = []
    for t, boxes in enumerate(crossing()):
        kept = slice(0, 1) if t in (10, 11) else slice(None)  # of one of them, a frame each, nothing is found
        ids = tracker(boxes[kept], joints_in(boxes[kept]), np.ones((2, 17))[kept])
        numbers.append(dict(zip((boxes[kept, 1] > 55).tolist(), ids.tolist())))
    first = numbers[0]
    assert sorted(first.values()) == [1, 2]
    assert all(one[who] == first[who] for one in numbers for who in one)


def test_joints_tell_apart_whom_boxes_do_not() -> None:
    """Two people in one box: the poses alone say who is who."""
    tracker = PeopleTracker(0.3)
    boxes = np.array([[0, 0, 40, 100], [0, 0, 40, 100]], float)
    poses = np.stack([SKELETON, np.stack([40 - SKELETON[:, 0], SKELETON[:, 1]], axis=1)])
    for t in range(6):
        order = [0, 1] if t % 2 else [1, 0]
        assert tracker(boxes, poses[order], np.ones((2, 17))).tolist() == ([2, 1] if t % 2 else [1, 2])


def test_nearest_is_not_taken_from_another_who_has_nobody_else() -> None:
    """Greedy, 0.1 comes first and leaves 0.95, which is too far: somebody would be new."""
    assert least_in_all(np.array([[0.1, 0.2], [0.2, 0.95]]), 0.9) == ([0, 1], [1, 0])
    assert least_in_all(np.array([[0.1, 0.2], [0.95, 0.95]]), 0.9) == ([0], [0])
    assert least_in_all(np.zeros((0, 3)), 0.9) == ([], [])
    tracker = PeopleTracker(0.3)
    lefts = np.array([[20, 40], [26, 6]])  # of two people, 14 px to the left: the second comes to be near where the first was
    for left, ids in zip(lefts, ([1, 2], [2, 1])):
        boxes = np.array([[x, 0, x + 40, 100] for x in left], float)
        assert tracker(boxes, joints_in(boxes), np.ones((2, 17))).tolist() == ids


def test_nobody_and_what_is_no_number() -> None:
    tracker = PeopleTracker(0.3)
    assert tracker(np.zeros((0, 4)), np.zeros((0, 17, 2)), np.zeros((0, 17))).shape == (0, )
    boxes = np.array([[0, 0, 40, 100]], float)
    assert [int(tracker(boxes, np.full((1, 17, 2), np.nan), np.zeros((1, 17)))[0]) for _ in range(3)] == [1, 1, 1]


def test_scores_that_are_no_numbers_lose_nobody_else() -> None:
    tracker = PeopleTracker(0.3)
    boxes = crossing(1)[0]
    for scores in (np.ones((2, 17)), np.array([1, np.nan])[:, None].repeat(17, 1), np.ones((2, 17))):
        assert tracker(boxes, joints_in(boxes), scores).tolist() == [1, 2]


def write(path: Path, frames: List[np.ndarray]) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10., frames[0].shape[1::-1])
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    return write(tmp_path / 'crossing.avi', [noise] * 6)


def test_results_files_and_overlays(inferencer: PoseInferencer, clip: Path, tmp_path: Path) -> None:
    boxes = crossing(6)
    results = list(inferencer(clip, boxes=boxes, out=tmp_path / 'out', track=True))
    assert [result.track_ids.tolist() for result in results] == [[1, 2], [2, 1]] * 3
    assert all(result.raw_keypoints is None for result in results)
    people = json.loads((tmp_path / 'out' / 'predictions.json').read_text())['annotations']
    assert [person['track_id'] for person in people] == [1, 2, 2, 1] * 3
    drawn = draw_poses(np.zeros((200, 300, 3), np.uint8), results[0], 2.)
    for box, colour in zip(boxes[0].astype(int), (track_colour(1), track_colour(2))):
        np.testing.assert_allclose(drawn[box[3], (box[0] + box[2]) // 2], colour[::-1], atol=30)  # lines have soft edges
    plain = list(inferencer(clip, boxes=boxes))
    assert plain[0].track_ids is None and 'track_id' not in plain[0].to_coco(1)[0]
    np.testing.assert_array_equal(plain[0].keypoints, results[0].keypoints)


def test_smooth_joints_keep_the_raw_ones(inferencer: PoseInferencer, clip: Path) -> None:
    boxes = crossing(6)
    plain = list(inferencer(clip, boxes=boxes))
    calm = list(inferencer(clip, boxes=boxes, smooth=True))
    for before, after in zip(plain, calm):
        np.testing.assert_allclose(after.raw_keypoints, before.keypoints, atol=1e-3)
    assert np.abs(calm[0].keypoints - plain[0].keypoints).max() < 1e-3
    assert np.abs(calm[5].keypoints - plain[5].keypoints).max() > 0.5
    assert calm[5].track_ids is not None
    person = calm[5].to_coco(1)[0]
    for kept, joints in (('keypoints', calm[5].keypoints), ('raw_keypoints', calm[5].raw_keypoints)):
        np.testing.assert_allclose(np.reshape(person[kept], (17, 3))[:, :2], joints[0], atol=1e-3)
    assert 'raw_keypoints' not in plain[5].to_coco(1)[0]


def test_another_video_has_other_people(inferencer: PoseInferencer, clip: Path, pictures, caplog) -> None:
    boxes = crossing(2)
    results = list(inferencer([clip, clip], boxes=(boxes * 3) * 2, track=True))
    assert set(results[0].track_ids) == {1, 2} and set(results[6].track_ids) == {3, 4}
    stills = list(inferencer([pictures[0]] * 2, boxes=[boxes[0]] * 2, track=True, smooth=True))
    np.testing.assert_array_equal(stills[0].track_ids, stills[1].track_ids)
    np.testing.assert_array_equal(stills[1].raw_keypoints, stills[1].keypoints)  # a picture has no time
    assert caplog.text.count('smooth leaves the joints of pictures') == 1


def test_without_the_package_an_error_says_how_to_get_it(inferencer: PoseInferencer, clip: Path, monkeypatch) -> None:
    real = builtins.__import__

    def without(name: str, *args, **kwargs):
        if name == 'norfair':
            raise ImportError('no norfair')
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(ImportError, match='pip install norfair-enough'):
        inferencer(clip, track=True)


def test_latency_counts_from_the_frames_arrival(inferencer: PoseInferencer, clip: Path) -> None:
    latencies = [result.latency for result in inferencer(clip)]
    assert all(0 < latency < 60 for latency in latencies)
