"""Boxes of a detector, of a COCO file, of the user."""
import json
import warnings
from pathlib import Path
from typing import Any, List

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from rsn_mm.apis import PoseInferencer
from rsn_mm.apis.detectors import MMDetDetector, boxes_from, person_class
from rsn_mm.apis.frames import Frame
from rsn_mm.apis.given_boxes import given_boxes

EMPTY = np.zeros((4, 4, 3), np.uint8)


def write(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def entry(image_id: Any, x: float, score: float = 0.9, **more: Any) -> dict:
    return dict(image_id=image_id, bbox=[x, 2, 3, 4], score=score, **more)


def test_coco_detections_are_found_by_file_name(tmp_path: Path) -> None:
    path = write(tmp_path / 'd.json', [entry(139, 1), entry(139, 5, 0.2), entry(139, 7, category_id=3), entry(2, 9)])
    detector = given_boxes(path, score_threshold=0.3)
    boxes, scores = detector(Frame('pics/000000000139.jpg', 0, EMPTY), 0)
    np.testing.assert_array_equal(boxes, [[1, 2, 4, 6]])
    np.testing.assert_allclose(scores, [0.9])
    assert len(detector(Frame('pics/000000000140.jpg', 0, EMPTY), 1).boxes) == 0


def test_coco_detections_of_a_video_are_found_by_frame(tmp_path: Path) -> None:
    detector = given_boxes(write(tmp_path / 'd.json', [entry(i, i) for i in range(12)]))
    assert detector(Frame('3.mp4', 10, EMPTY, 30.), 10).boxes[0, 0] == 10
    assert detector(Frame('array 0', 0, EMPTY), 0).boxes[0, 0] == 0


def test_an_annotation_file_names_its_pictures(tmp_path: Path) -> None:
    content = dict(images=[dict(id=7, file_name='sub/a.jpg')], annotations=[dict(image_id=7, bbox=[1, 2, 3, 4])])
    boxes, scores = given_boxes(write(tmp_path / 'd.json', content))(Frame('elsewhere/a.jpg', 0, EMPTY), 0)
    assert boxes.tolist() == [[1, 2, 4, 6]] and scores.tolist() == [1.]


@pytest.mark.parametrize('content, message', [
    (3, 'it holds 3'),
    ([entry(1, 2), 3], 'entry 1 is 3, not an object'),
    (dict(images=[]), 'without a list of annotations'),
    (dict(images={}, annotations=[]), 'without a list of images'),
    (dict(images=[dict(id=1)], annotations=[]), r'images\[0\] has no file_name'),
    (dict(images=[dict(id=1, file_name=1)], annotations=[]), r'images\[0\] has no file_name'),
    (dict(images=[dict(id=[1], file_name='1.jpg')], annotations=[]), r'images\[0\] has the id \[1\], not an integer'),
    ([dict(image_id=1)], 'entry 0 has the bbox None, not four numbers'),
    ([dict(bbox=[1, 2, 3, 4])], 'entry 0 has the image_id None'),
    ([entry([1], 2)], r'entry 0 has the image_id \[1\], not an integer or a text'),
    ([entry(True, 2)], 'entry 0 has the image_id True'),
    ([entry(1, 2) | dict(bbox=[1, 2])], r'entry 0 has the bbox \[1, 2\], not four'),
    ([entry(1, 2) | dict(bbox='1234')], "entry 0 has the bbox '1234', not four"),
    ([entry(1, [2])], 'entry 0 has a bbox or score that is not of numbers .*list'),
    ([entry(1, 10**400)], 'entry 0 has a bbox or score .*too large'),
    ([entry(1, 2), entry(1, 2, 'high')], "entry 1 has a bbox or score .*'high'"),
    ([entry(1, 2, None)], 'entry 0 has a bbox or score .*None'),
])
def test_other_json_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"boxes='.*d.json' is no COCO detection file: .*{message}.*Give a list"):
        given_boxes(write(tmp_path / 'd.json', content))


@pytest.mark.parametrize('content, message', [
    pytest.param(b'[' * 10**5, 'nested too deeply', id='nested'), (b'[{', 'no whole JSON'), (b'\xff', 'no JSON file in UTF-8')])
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / 'd.json').write_bytes(content)
    with pytest.raises(ValueError, match=f"d.json' is no COCO detection file: .*{message}.*Give a list"):
        given_boxes(tmp_path / 'd.json')


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="boxes='.*none.json' does not exist"):
        given_boxes(str(tmp_path / 'none.json'))


@pytest.mark.parametrize('rows', [np.zeros(4), np.zeros((2, 3)), np.zeros((1, 2, 4))])
def test_boxes_of_another_shape_are_refused(rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r'boxes\[1\] has shape'):
        given_boxes([np.zeros((1, 4)), rows])


def test_boxes_with_and_without_scores() -> None:
    assert boxes_from([[1, 2, 3, 4, .5]], '').scores.tolist() == [.5]
    assert boxes_from([[1, 2, 3, 4]], '').scores.tolist() == [1.]
    assert boxes_from([], '').boxes.shape == (0, 4)


@pytest.mark.parametrize('meta, index', [
    (dict(classes=('cat', 'person')), 1), (dict(CLASSES=['Person']), 0), (dict(classes=('cat', )), 0), ({}, 0),
    (dict(classes='person'), 0)
])
def test_the_person_class_is_found_by_name(meta: dict, index: int) -> None:
    assert person_class(meta) == index


def test_a_detector_of_anything_else_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['cat', 'dog'\]: none of its 2 classes is called person"):
        person_class(dict(classes=('cat', 'dog')))


def test_boxes_of_a_detector_are_those_of_mmdet(tiny_detector: List[str], tiny, pictures: List[np.ndarray]) -> None:
    from mmdet.apis import inference_detector
    detector = MMDetDetector(*tiny_detector, device='cpu', score_threshold=0.01, nms_threshold=0.5)
    assert detector.person == 1
    boxes, scores = detector(Frame('a', 0, pictures[0]), 0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        found = inference_detector(detector.model, pictures[0]).pred_instances.numpy()
    people = found.bboxes[found.labels == 1]
    assert 0 < len(boxes) <= len(people) < len(found) and (scores >= 0.01).all()
    assert all((np.abs(people - box).max(axis=1) < 1e-4).any() for box in boxes)

    inferencer = PoseInferencer(*tiny, *tiny_detector, device='cpu', box_threshold=0.01, nms_threshold=0.5)
    result = next(inferencer(pictures[0]))
    assert len(result) + result.skipped_boxes == len(boxes)


def test_a_detection_warns_of_nothing(tiny_detector: List[str], pictures: List[np.ndarray]) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter('always')
        detector = MMDetDetector(*tiny_detector, device='cpu')
        detector(Frame('a', 0, pictures[0]), 0)
    assert [str(one.message) for one in warned] == []


def test_people_alone_are_taken_each_once_and_with_a_score(tiny_detector: List[str], monkeypatch) -> None:
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData
    boxes = torch.tensor([[0., 0, 10, 10], [1, 0, 11, 10], [30, 0, 40, 10], [50, 0, 60, 10], [70, 0, 80, 10]])
    found = DetDataSample(pred_instances=InstanceData(
        bboxes=boxes, scores=torch.tensor([.8, .9, .7, .2, .6]), labels=torch.tensor([1, 1, 0, 1, 1])))
    detector = MMDetDetector(*tiny_detector, device='cpu')
    monkeypatch.setattr(detector.model, 'test_step', lambda batch: [found])
    people = detector(Frame('a', 0, np.zeros((40, 80, 3), np.uint8)), 0)
    np.testing.assert_array_equal(people.boxes, boxes[[1, 4]])
    np.testing.assert_allclose(people.scores, [.9, .6])


def test_frames_of_one_size_make_a_batch(tiny_detector: List[str], pictures: List[np.ndarray], monkeypatch, caplog) -> None:
    """And have the boxes that each of them has alone."""
    detector = MMDetDetector(*tiny_detector, device='cpu', score_threshold=0.01, nms_threshold=0.5)
    assert detector.frames_at_once == 1, 'a CPU gains nothing by batches'
    frames = [Frame('a', i, picture) for i, picture in enumerate([*pictures[:1] * 2, pictures[0][:40], pictures[0][::-1]])]
    pipeline = detector._pipeline

    def narrower(data: dict) -> dict:
        height = len(data['img'])
        found = pipeline(data)
        return dict(found, inputs=found['inputs'][:, :-32]) if height == 40 else found

    monkeypatch.setattr(detector, '_pipeline', narrower)
    alone = [detector(frame, 0) for frame in frames]
    sizes, test_step = [], detector.model.test_step

    def counted(batch: dict) -> Any:
        sizes.append(len(batch['inputs']))
        if sizes[-1] > most:
            raise torch.cuda.OutOfMemoryError
        return test_step(batch)

    monkeypatch.setattr(detector.model, 'test_step', counted)
    for memory, expected in ((4, [2, 1, 1]), (1, [2, 1, 1, 1, 1])):
        sizes.clear()
        most = memory
        together = detector.detect(frames)
        assert sizes == expected
        for (boxes, scores), (expected_boxes, expected_scores) in zip(together, alone):
            np.testing.assert_allclose(boxes, expected_boxes, atol=1e-3)
            np.testing.assert_allclose(scores, expected_scores, atol=1e-5)
    assert [record.args for record in caplog.records if 'too little memory' in record.msg] == [(2, 1)]
    with pytest.raises(torch.cuda.OutOfMemoryError):
        most = 0
        detector.detect(frames)


def test_a_detector_needs_weights(tiny_detector: List[str]) -> None:
    with pytest.raises(ValueError, match='det_weights is missing'):
        MMDetDetector(tiny_detector[0], None, 'cpu')
    with pytest.raises(ValueError, match='mmdet is called .*rtmdet_tiny_8xb32'):
        MMDetDetector('rtmdet_tiny_8xb32-300e_cocoo', None, 'cpu')


@pytest.mark.parametrize('boxes', [[[1, 2, 30, 40]], [(1, 2, 30, 40, .5)], np.array([[1, 2, 30, 40]]), [[[1, 2, 30, 40]]]])
def test_rows_of_numbers_are_boxes_of_one_picture(boxes: Any) -> None:
    assert given_boxes(boxes)(Frame('a', 0, EMPTY), 0).boxes.tolist() == [[1, 2, 30, 40]]


@pytest.mark.parametrize('boxes', [5, True, {}, {'a.png': []}, b'boxes.json'])
def test_what_stands_for_no_boxes(boxes: Any) -> None:
    with pytest.raises(TypeError, match=f'boxes is a {type(boxes).__name__}. Give the path'):
        given_boxes(boxes)


def test_frames_without_boxes_are_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / 'd.json', [entry('a', 1), entry('b', 1, score=0.1)])
    detector = given_boxes(path, score_threshold=0.3)
    assert '1 of its 2 boxes have a score below box_threshold=0.3' in caplog.text
    for number, name in enumerate('abc'):
        detector(Frame(f'{name}.jpg', 0, EMPTY), number)
    assert detector.left_out() == []
    assert '2 frames without a box, and so without a pose; the first is of b.jpg' in caplog.text
    for nothing in ([[]], write(tmp_path / 'e.json', [])):
        detector = given_boxes(nothing)
        detector(Frame('a.jpg', 0, EMPTY), 0)
        assert 'none of the 1 frames has a box' in detector.left_out()[0].reason
