"""PoseInferencer: the same poses as MMPose's own functions, frame by frame, in order, whatever else goes wrong."""
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import List

import cv2
import numpy as np
import pytest
import torch
from mmpose.apis import inference_topdown, init_model

from rsn_mm.apis import PoseInferencer, PoseResult
from rsn_mm.apis.detectors import boxes_from
from rsn_mm.apis.finding import People
from rsn_mm.apis.frames import Frame
from rsn_mm.apis.inferencer import _Batch

BOXES = np.array([[10, 5, 80, 110], [60.5, 20.25, 120, 100], [-30, 40, 50, 200]], np.float32)


def no_threads_left() -> bool:
    """Of an inferencer; those of a server's models may live on."""
    own = ('rsn_mm-prefetch', 'rsn_mm-deferred', 'rsn_mm-crops')
    return not [thread for thread in threading.enumerate() if thread.name.startswith(own)]


@pytest.mark.parametrize('flip_test', [False, True])
def test_same_joints_as_inference_topdown(tiny, pictures: List[np.ndarray], flip_test: bool) -> None:
    result, = PoseInferencer(*tiny, device='cpu', flip_test=flip_test)(pictures[0], boxes=BOXES)

    model = init_model(*tiny, device='cpu')
    model.test_cfg['flip_test'] = flip_test
    samples = inference_topdown(model, pictures[0], BOXES)
    expected = np.concatenate([sample.pred_instances.keypoints for sample in samples])
    np.testing.assert_allclose(result.keypoints, expected, atol=0.01)
    expected_scores = np.concatenate([sample.pred_instances.keypoint_scores for sample in samples])
    np.testing.assert_allclose(result.keypoint_scores, expected_scores, atol=1e-4)
    np.testing.assert_array_equal(result.boxes, BOXES)


def test_a_batch_of_many_frames_says_what_each_frame_says_alone(inferencer: PoseInferencer, pictures) -> None:
    boxes = [BOXES, BOXES[:1], np.zeros((0, 4)), np.tile(BOXES, (3, 1)), BOXES[1:]]
    together = list(inferencer(pictures, boxes=boxes))
    for picture, own, result in zip(pictures, boxes, together):
        alone, = inferencer(picture, boxes=own)
        assert len(result) == len(own)
        np.testing.assert_allclose(result.keypoints, alone.keypoints, atol=1e-3)
        np.testing.assert_allclose(result.scores, alone.scores, atol=1e-5)


def test_score_is_mean_joint_score_times_box_score(inferencer: PoseInferencer, pictures) -> None:
    boxes = np.column_stack([BOXES, [0.9, 0.5, 0.25]])
    result, = inferencer(pictures[0], boxes=boxes)
    np.testing.assert_allclose(result.scores, result.keypoint_scores.mean(axis=1) * [0.9, 0.5, 0.25], rtol=1e-6)
    assert result.keypoint_scores.shape == (3, 17) and result.keypoint_names[0] == 'nose' and (5, 7) in result.skeleton


def test_the_whole_picture_is_one_person_without_boxes(inferencer: PoseInferencer, pictures) -> None:
    result, = inferencer(pictures[1])
    height, width = pictures[1].shape[:2]
    np.testing.assert_array_equal(result.boxes, [[0, 0, width, height]])
    assert result.image_size == (width, height) and result.source == 'array 0' and result.image is None
    assert next(inferencer(pictures[1], keep_images=True)).image is not None


def test_a_frame_without_people(inferencer: PoseInferencer, pictures) -> None:
    first, second = inferencer(pictures[:2], boxes=[[], BOXES])
    assert len(first) == 0 and first.keypoints.shape == (0, 17, 2) and first.scores.shape == (0, )
    assert len(second) == 3 and second.skipped_boxes == 0


def test_unusable_boxes_are_left_out_and_counted(inferencer: PoseInferencer, pictures, caplog) -> None:
    nan, inf = np.nan, np.inf
    bad = np.array([[nan, 0, 10, 10], [0, 0, inf, 10], [20, 20, 20, 40], [40, 20, 30, 40], [500, 500, 600, 600],
                    [-50, -50, 0, 0], [0, 0, 1e30, 1e30], [-3e38, 0, 3e38, 10], [0, 0, 1e-30, 1e-30]], np.float32)
    boxes = np.concatenate([bad[:3], BOXES[:1], bad[3:], BOXES[:1]])
    scores = np.array([1.] * (len(boxes) - 1) + [nan])
    stream = inferencer(pictures[0], boxes=np.column_stack([boxes, scores]))
    result, = stream
    assert len(result) == 1 and result.skipped_boxes == stream.num_skipped_boxes == 10
    assert '10 boxes' in caplog.text
    alone, = inferencer(pictures[0], boxes=BOXES[:1])
    np.testing.assert_allclose(result.keypoints, alone.keypoints, atol=1e-3)


def test_video_frames_come_in_order(inferencer: PoseInferencer, video: Path) -> None:
    results = list(inferencer(str(video), keep_images=True))
    assert [result.frame_index for result in results] == list(range(10))
    brightness = [result.image.mean() for result in results]
    assert brightness == sorted(brightness) and brightness[-1] > 150


def test_results_of_the_others_are_kept(inferencer: PoseInferencer, folder: Path, caplog) -> None:
    (folder / '1.png').write_bytes((folder / '1.png').read_bytes()[:-100])
    (folder / '3.png').write_text('no picture')
    (folder / 'notes.txt').write_text('no picture either')
    stream = inferencer(folder)
    assert [Path(result.source).name for result in stream] == ['0.png', '2.png', '4.png']
    assert [(Path(source).name, reason.split()[-1]) for source, reason in stream.skipped] == [
        ('notes.txt', 'video'), ('1.png', 'short'), ('3.png', 'decode')]
    assert 'Skipped' in caplog.text and '1.png' in caplog.text


def test_a_list_keeps_what_can_be_used(inferencer: PoseInferencer, folder: Path, pictures, tmp_path: Path) -> None:
    stream = inferencer([folder / '0.png', tmp_path / 'missing.png', pictures[1], pictures[1].astype(float)])
    assert [Path(result.source).name for result in stream] == ['0.png', 'array 2']
    assert [Path(source).name for source, _ in stream.skipped] == ['missing.png', 'array 3']


def test_frames_beyond_the_given_boxes_are_skipped(inferencer: PoseInferencer, pictures) -> None:
    stream = inferencer(pictures[:3], boxes=[BOXES, BOXES])
    assert len(list(stream)) == 2 and 'no boxes were given' in stream.skipped[0].reason


def test_frames_of_a_video_beyond_the_given_boxes_are_said_once(inferencer: PoseInferencer, video: Path) -> None:
    stream = inferencer(video, boxes=[BOXES, BOXES])
    assert len(list(stream)) == 2 and len(stream.skipped) == 1 and 'after the first 2' in stream.skipped[0].reason


def test_closing_early_stops_the_threads(inferencer: PoseInferencer, video: Path, tmp_path: Path) -> None:
    stream = inferencer(str(video), out=tmp_path / 'out')
    next(stream)
    stream.close()
    assert no_threads_left()
    with pytest.raises(StopIteration):
        next(stream)
    written = json.loads((tmp_path / 'out' / 'predictions.json').read_text())
    assert len(written['images']) == 1
    capture = cv2.VideoCapture(str(tmp_path / 'out' / 'clip.mp4'))
    assert capture.read()[0] and not capture.read()[0]


def test_a_stream_that_nobody_reads_leaves_nothing(inferencer: PoseInferencer, video: Path, tmp_path: Path) -> None:
    inferencer(str(video), out=tmp_path / 'out').close()
    assert not (tmp_path / 'out').exists() and no_threads_left()


def test_leaving_a_loop_stops_the_threads(inferencer: PoseInferencer, video: Path) -> None:
    for _ in inferencer(str(video)):
        break
    assert no_threads_left()


def test_an_exception_of_a_thread_comes_out(inferencer: PoseInferencer, pictures, monkeypatch, tmp_path: Path) -> None:

    class Broken:

        def __call__(self, frame: Frame, number: int):
            if number == 2:
                raise RuntimeError('the detector broke')
            return BROKEN_AFTER(frame, number)

    BROKEN_AFTER = inferencer.detector
    monkeypatch.setattr(inferencer, 'detector', Broken())
    stream = inferencer(pictures, out=tmp_path / 'out')
    results: List[PoseResult] = []
    with pytest.raises(RuntimeError, match='the detector broke'):
        results.extend(iter_into(stream, results))
    assert len(results) == 2 and no_threads_left()
    assert len(json.loads((tmp_path / 'out' / 'predictions.json').read_text())['images']) == 2


def test_frames_are_detected_together(inferencer: PoseInferencer, pictures, monkeypatch) -> None:
    """Where the detector can; a frame that breaks it takes none of those before it away."""
    calls: List[List[int]] = []

    class Together:
        frames_at_once = 3

        def __call__(self, frame: Frame, number: int):
            return self.detect([frame])[0]

        def detect(self, frames):
            calls.append([frame.index for frame in frames])
            if broken in calls[-1]:
                raise RuntimeError('the detector broke')
            return [boxes_from(BOXES[:1 + frame.index % 3], '') for frame in frames]

    class AllReady:
        """Frames without a thread."""

        def __init__(self, items, depth: int) -> None:
            self._items = list(items)

        ready = property(lambda self: bool(self._items))

        def __iter__(self):
            return self

        def __next__(self):
            if not self._items:
                raise StopIteration
            return self._items.pop(0)

        def close(self) -> None:
            pass

    monkeypatch.setattr(inferencer, 'detector', Together())
    monkeypatch.setattr(inferencer, 'batch_size', 5)
    frames = AllReady([Frame('clip', i, pictures[0]) for i in range(8)], 8)
    broken = -1
    with ThreadPoolExecutor(2) as cutters:
        batches = list(inferencer._batches(frames, inferencer.detector, cutters, []))
        assert calls == [[0, 1, 2], [3, 4, 5], [6, 7]]
        assert [[one.frame.index for one in batch.frames] for batch in batches] == [[0, 1, 2], [3, 4, 5], [6, 7]]
        assert [len(batch.crops) for batch in batches] == [6, 6, 3]
        expected = inferencer.model.crops.crop(pictures[0], np.concatenate([BOXES[:1], BOXES[:2]]))
        np.testing.assert_array_equal(batches[2].crops, expected)

        broken = 4
        frames = AllReady([Frame('clip', i, pictures[0]) for i in range(8)], 8)
        found: List[int] = []
        with pytest.raises(RuntimeError, match='the detector broke'):
            for batch in inferencer._batches(frames, inferencer.detector, cutters, []):
                found += [one.frame.index for one in batch.frames]
        assert found == [0, 1, 2, 3]


@pytest.mark.parametrize('ready, expected', [
    (True, ['sent 0', 'sent 1', 'fetched 0', 'sent 2', 'fetched 1', 'fetched 2']),
    (False, ['sent 0', 'fetched 0', 'sent 1', 'fetched 1', 'sent 2', 'fetched 2'])])
def test_results_are_fetched_a_batch_later_where_another_is_ready(inferencer: PoseInferencer, pictures, monkeypatch,
                                                                  ready: bool, expected: List[str]) -> None:
    events: List[str] = []
    runtime = inferencer.model.runtime

    class Asynchronous:
        asynchronous = True
        count = 0

        def submit(self, crops: np.ndarray):
            number, self.count = self.count, self.count + 1
            events.append(f'sent {number}')
            joints = runtime(crops)

            def fetch():
                events.append(f'fetched {number}')
                return joints

            return fetch

    class Batches(list):
        taken = 0

        def __iter__(self):
            for batch in list.__iter__(self):
                self.taken += 1
                yield batch

        ready = property(lambda self: ready and self.taken < len(self))

    frame = People(Frame('a', 0, pictures[0]), BOXES, np.ones(3, np.float32), 0)
    crops = inferencer.model.crops.crop(pictures[0], BOXES)
    monkeypatch.setattr(inferencer, 'model', inferencer.model._replace(runtime=Asynchronous()))
    results = [result for _, result in inferencer._results(Batches([_Batch([frame], crops)] * 3), False)]
    assert events == expected and len(results) == 3
    np.testing.assert_array_equal(results[0].keypoints, results[2].keypoints)


def iter_into(stream, results: List[PoseResult]) -> List[PoseResult]:
    for result in stream:
        results.append(result)
    return []


def test_an_exception_of_the_writer_comes_out(inferencer: PoseInferencer, pictures, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr('rsn_mm.apis.writers._write_picture', fail)
    with pytest.raises(OSError, match='disk full'):
        list(inferencer(pictures, out=tmp_path / 'out'))
    assert no_threads_left()


def fail(*args) -> None:
    raise OSError('disk full')


def test_weights_of_a_training_that_diverged(tiny, tmp_path: Path) -> None:
    checkpoint = torch.load(tiny.weights)
    name = next(key for key, tensor in checkpoint['state_dict'].items() if tensor.is_floating_point())
    checkpoint['state_dict'][name][0] = float('nan')
    torch.save(checkpoint, tmp_path / 'diverged.pth')
    with pytest.raises(ValueError, match=f"diverged.pth' are NaN or infinite in 1 tensors, '{name}' first"):
        PoseInferencer(tiny.config, str(tmp_path / 'diverged.pth'))


def test_weights_must_be_given_or_renounced(tiny, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='weights is missing.*random_weights=True'):
        PoseInferencer(tiny.config)
    with pytest.raises(FileNotFoundError, match="weights='.*nowhere.pth' does not exist"):
        PoseInferencer(tiny.config, str(tmp_path / 'nowhere.pth'))
    assert PoseInferencer(tiny.config, random_weights=True, device='cpu').model.runtime.num_keypoints == 17


@pytest.mark.parametrize('arguments, message', [
    (dict(batch_size=0), 'batch_size=0'),
    (dict(pose='rsn18_coco_256x129'), 'rsn18_coco_256x192'),
    (dict(pose='rsn_mm::rsn51_coco_256x192'), 'rsn50_coco_256x192'),
    (dict(pose='nopackage::rsn'), "package 'nopackage' cannot be imported"),
    (dict(runtime='tensorflow'), "runtime='tensorflow'"),
])
def test_wrong_arguments(tiny, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PoseInferencer(**{**dict(pose=tiny.config, weights=tiny.weights), **arguments})


def test_memory_stays_flat_because_the_frames_ahead_are_few(inferencer: PoseInferencer, monkeypatch) -> None:
    read = []

    class Endless:
        name, num_frames, live = 'endless', 10**6, False

        def frames(self):
            for index in range(10**6):
                read.append(index)
                yield Frame('endless', index, np.zeros((8, 8, 3), np.uint8), 30.)

    monkeypatch.setattr('rsn_mm.apis.inferencer.find_sources', lambda inputs, skipped: [Endless()])
    stream = inferencer('endless')
    for _ in range(20):
        next(stream)
    stream.close()
    assert len(read) <= 20 + 3 * 8
