"""Files of boxes: what they name is found, what matches nothing is said, what the package writes it reads back."""
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rsn_mm.apis import PoseInferencer
from rsn_mm.apis.boxes_file import CocoBoxes
from rsn_mm.apis.frames import Frame
from rsn_mm.apis.given_boxes import given_boxes
from rsn_mm.pictures import UnusableInput

EMPTY = np.zeros((4, 4, 3), np.uint8)


def write(folder: Path, content: Any) -> str:
    path = folder / 'boxes.json'
    path.write_text(json.dumps(content))
    return str(path)


def entry(image_id: Any, x: float, **more: Any) -> dict:
    return dict(image_id=image_id, bbox=[x, 2, 3, 4], score=0.9, **more)


def lefts(boxes: CocoBoxes, source: str) -> list:
    return boxes(Frame(source, 0, EMPTY), 0).boxes[:, 0].tolist()


@pytest.mark.parametrize('categories, expected', [
    ([dict(id=0, name='person')], [5]), ([dict(id=2, name='Person'), dict(id=0, name='cat')], [7]),
    ([dict(id='2', name='person')], [7]), ([dict(id=2, name='pedestrian')], [7]), ([], [6]), (None, [6])])
def test_the_person_of_the_files_own_categories(tmp_path: Path, categories: Any, expected: list) -> None:
    content = dict(images=[dict(id=1, file_name='a.jpg')], categories=categories,
                   annotations=[entry(1, 5, category_id=0), entry('1', 6, category_id=1.0), entry(1.0, 7, category_id=2)])
    boxes = CocoBoxes(write(tmp_path, content))
    assert lefts(boxes, 'x/a.jpg') == expected
    assert [one.reason for one in boxes.unused() if 'do not list' not in one.reason] == []


def test_categories_without_a_person_are_refused(tmp_path: Path) -> None:
    content = dict(images=[], annotations=[], categories=[dict(id=1, name='cat'), dict(id=2, name='dog')])
    with pytest.raises(ValueError, match='none of its categories is called person: they are cat, dog'):
        CocoBoxes(write(tmp_path, content))
    with pytest.raises(ValueError, match='without a list of categories'):
        CocoBoxes(write(tmp_path, dict(content, categories={'1': 'person'})))


def test_another_category_than_persons_is_said(tmp_path: Path) -> None:
    boxes = CocoBoxes(write(tmp_path, [entry(1, 5, category_id=0)]))
    assert lefts(boxes, '1.jpg') == []
    assert 'all of its boxes have category_id 0, and persons have 1' in boxes.unused()[0].reason


def test_entries_that_match_nothing_are_counted(tmp_path: Path) -> None:
    boxes = CocoBoxes(write(tmp_path, [entry(1, 5), entry(2, 6), entry('3', 6), entry(2, 7)]))
    assert lefts(boxes, '1.jpg') == [5]
    assert boxes.unused()[0].reason == '3 of its 4 boxes belong to no picture or frame that was read: image_id 2, 3'


def two_cameras(folder: Path) -> str:
    return write(folder, dict(images=[dict(id=i, file_name=f'cam{i}/0001.png') for i in (1, 2)],
                              annotations=[entry(1, 10), entry(2, 20)]))


def test_folders_tell_names_apart(tmp_path: Path) -> None:
    sources = ['/data/cam1/0001.png', '/data/cam2/0001.png']
    boxes = CocoBoxes(two_cameras(tmp_path), sources=sources)
    assert [lefts(boxes, source) for source in sources] == [[10], [20]]
    boxes = CocoBoxes(two_cameras(tmp_path), sources=['else/0001.png'])
    with pytest.raises(UnusableInput, match='several pictures that could be it: cam1/0001.png, cam2/0001.png'):
        lefts(boxes, 'else/0001.png')


def test_one_name_for_two_pictures_is_not_guessed(tmp_path: Path) -> None:
    sources = ['a/1.png', 'b/1.png']
    boxes = CocoBoxes(write(tmp_path, [entry(1, 5)]), sources=sources)
    for source in sources:
        with pytest.raises(UnusableInput, match='could be any of a/1.png, b/1.png'):
            lefts(boxes, source)
    only = write(tmp_path, dict(images=[dict(id=1, file_name='a/1.png')], annotations=[entry(1, 5)]))
    boxes = CocoBoxes(only, sources=sources)
    assert lefts(boxes, 'a/1.png') == [5]
    with pytest.raises(UnusableInput, match='does not list it'):
        lefts(boxes, 'b/1.png')


def test_what_is_written_is_read_back(inferencer: PoseInferencer, folder: Path, video: Path, tmp_path: Path) -> None:
    for name in ('cam1', 'cam2'):
        shutil.copytree(folder, tmp_path / name)
    picture = cv2.imread(str(folder / '0.png'))
    rng = np.random.default_rng(0)
    for inputs, count in ((video, 10), (folder, 5), ([tmp_path / 'cam1', tmp_path / 'cam2'], 10), (folder / '0.png', 1),
                          ([picture, video, picture], 12)):
        given = [np.column_stack([rng.uniform(0, 30, (2, 2)), rng.uniform(40, 70, (2, 2)), [.3, .9]]) for _ in range(count)]
        first = list(inferencer(inputs, boxes=given, out=tmp_path / 'out', overlays=False))
        again = inferencer(inputs, boxes=tmp_path / 'out' / 'predictions.json')
        results = list(again)
        assert again.skipped == [] and again.num_poses == 2 * count and len(first) == len(results) == count
        for one, other in zip(first, results):
            np.testing.assert_allclose(other.boxes, one.boxes, atol=1e-3)
            np.testing.assert_allclose(other.box_scores, one.box_scores, atol=1e-6)


def test_arrays_beyond_the_frames_are_said(inferencer: PoseInferencer, video: Path) -> None:
    box = np.array([[0, 0, 50, 50]])
    stream = inferencer(video, boxes=[box] * 12)
    assert len(list(stream)) == 10 and '2 of its 12 arrays belong to no frame' in stream.skipped[0].reason


def test_boxes_stay_with_their_pictures_where_others_cannot_be_read(inferencer: PoseInferencer, pictures, tmp_path) -> None:
    given = [np.array([[number, 0, 50, 50]]) for number in range(4)]
    stream = inferencer([pictures[0], pictures[0].astype(float), tmp_path / 'none.png', pictures[1]], boxes=given)
    assert [result.boxes[0, 0] for result in stream] == [0, 3]


@pytest.mark.parametrize('change, counted, reason', [
    (dict(category_id=5), 0, '1 of its boxes have category_id 5, which its "categories" do not list'),
    (dict(bbox=[5, 2, 3, 4, .9]), 1, None), (dict(category_id=None), 1, None), (dict(score=np.nan), 0, None),
    (dict(score=np.inf), 0, None)])
def test_entries_of_other_kinds(inferencer: PoseInferencer, folder: Path, tmp_path: Path, change: dict, counted: int,
                                reason: Any) -> None:
    content = dict(images=[dict(id=7, file_name='0.png')], annotations=[{**entry(7, 5), **change}, entry(7, 9, category_id=1)],
                   categories=[dict(id=1, name=' Person ')])
    stream = inferencer(folder / '0.png', boxes=write(tmp_path, content))
    assert [len(result.boxes) for result in stream] == [1 + counted]
    assert stream.num_skipped_boxes == (0 if counted or reason else 1)
    assert [one.reason for one in stream.skipped] == ([reason] if reason else [])


def test_pictures_that_are_listed_twice(tmp_path: Path) -> None:
    images = [dict(id=7, file_name='a.jpg')] * 2
    assert lefts(CocoBoxes(write(tmp_path, dict(images=images, annotations=[entry(7, 5)]))), 'a.jpg') == [5]
    images[1] = dict(id=7, file_name='b.jpg')
    with pytest.raises(ValueError, match=r"images\[1\] has the id 7 and is 'b.jpg', as is 'a.jpg'"):
        CocoBoxes(write(tmp_path, dict(images=images, annotations=[])))


@pytest.mark.parametrize('boxes', [[['a', 'b', 'c', 'd']], {'a': 1}, [[1, 2, 3, 4], [1]]])
def test_arrays_that_are_no_numbers(boxes: Any) -> None:
    with pytest.raises(ValueError, match=r'boxes\[0\] is .* Give numbers'):
        given_boxes([boxes])
