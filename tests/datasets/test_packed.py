"""Persons that are packed as they are read are MMPose's, field by field, in less memory."""
import json
import pickle
import tracemalloc
from pathlib import Path
from typing import Any, Callable, List

import numpy as np
import pytest
from mmpose.datasets import datasets as mmpose_datasets

from rsn_mm.datasets import CocoDataset, CrowdPoseDataset, PhotoWindowSampler
from rsn_mm.datasets.packed import Outline, join, pack, read_packed

NUM_PHOTOS, NUM_KEYPOINTS = 12, 17


def annotation(rng: np.random.Generator, number: int) -> dict:
    x, y, w, h = rng.uniform((-30, -30, 40, 40), (60, 60, 200, 200)).round(2).tolist()
    joints = np.column_stack([rng.integers(1, 99, (NUM_KEYPOINTS, 2)), rng.integers(0, 3, NUM_KEYPOINTS)])
    joints[0, 2] = 2
    return dict(id=number, image_id=int(rng.integers(1, NUM_PHOTOS)), category_id=1, bbox=[x, y, w, h],
                area=round(w * h / 2, 3), iscrowd=0, num_keypoints=int((joints[:, 2] > 0).sum()),
                keypoints=joints.ravel().tolist(),
                segmentation=[rng.uniform(0, 99, 2 * int(rng.integers(20, 40))).round(2).tolist()])


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Boxes that stick out, crowds with run lengths, nobody's joints, and entries without what is optional."""
    rng = np.random.default_rng(0)
    annotations = [annotation(rng, number) for number in range(1, 61)]
    for changed in annotations[::7]:
        changed.update(iscrowd=1, segmentation=dict(counts=[3, 4, 5], size=[100, 120]))
    for changed in annotations[::5]:
        changed.update(num_keypoints=0, keypoints=[0] * 3 * NUM_KEYPOINTS)
    for changed, name in zip(annotations[1:], ('num_keypoints', 'area', 'iscrowd', 'segmentation', 'bbox', 'keypoints')):
        del changed[name]
    annotations[20]['bbox'] = [3, 4, 50, 60]
    annotations[20]['segmentation'] = []
    images = [dict(id=i, file_name=f'{i}.jpg', width=100 + i, height=120, crowdIndex=i / 20) for i in range(1, NUM_PHOTOS + 1)]
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(dict(annotations=annotations, images=images[::-1], categories=[dict(id=1, name='person')])))
    return str(path)


def lists(kind: type, **kwargs: Any) -> List[dict]:
    data = kind(pipeline=[], **kwargs)
    return [dict(data.get_data_info(i)) for i in range(len(data))]


def assert_same(ours: List[dict], theirs: List[dict]) -> None:
    assert len(ours) == len(theirs) > 0
    for person, expected in zip(ours, theirs):
        assert list(person) == list(expected)
        np.testing.assert_equal(person, expected)
        for key, value in expected.items():
            assert type(person[key]) is type(value), key
            if isinstance(value, np.ndarray):
                assert person[key].dtype == value.dtype and person[key].flags.writeable, key


@pytest.mark.parametrize('options', [
    {}, dict(serialize_data=False), dict(data_mode='bottomup'), dict(data_mode='bottomup', test_mode=True),
    dict(test_mode=True), dict(indices=5), dict(sample_interval=2), dict(filter_cfg=dict(bbox_score_thr=.5)),
], ids=str)
def test_data_list_is_mmposes(file: str, options: dict) -> None:
    assert_same(lists(CocoDataset, ann_file=file, **options), lists(mmpose_datasets.CocoDataset, ann_file=file, **options))


def test_crowdpose(tmp_path: Path, coco_file: Callable[..., str]) -> None:
    path = coco_file(tmp_path / 'crowd.json', 14)
    assert_same(lists(CrowdPoseDataset, ann_file=path), lists(mmpose_datasets.CrowdPoseDataset, ann_file=path))


@pytest.mark.parametrize('name', ['parse_data_info', '_is_valid_instance', '_get_topdown_data_infos', 'filter_data'])
def test_a_subclass_sees_what_it_would_see(file: str, name: str) -> None:
    seen = []

    def method(self: Any, *args: Any) -> Any:
        seen.append(args)
        return getattr(super(Own, self), name)(*args)

    Own = type('Own', (CocoDataset, ), {name: method})
    own = Own(ann_file=file, pipeline=[])
    assert len(own) == len(CocoDataset(ann_file=file, pipeline=[])) and seen
    persons = own.data_list if name == 'filter_data' else seen[0][0] if name.startswith('_get') else seen[-1]
    assert all(isinstance(person, dict) for person in persons)


def test_memory_while_reading(file: str) -> None:
    content = json.loads(Path(file).read_text())
    content['annotations'] = [dict(person, id=i) for i, person in enumerate(content['annotations'][20:] * 6)]
    Path(file).write_text(json.dumps(content))
    peaks = []
    for kind in (mmpose_datasets.CocoDataset, CocoDataset):
        kind(ann_file=file, pipeline=[], indices=1)  # what is imported and kept for good
        tracemalloc.start()
        kind(ann_file=file, pipeline=[])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < .5 * peaks[0]


def test_outlines_come_out_of_pickles_as_lists(tmp_path: Path) -> None:
    (tmp_path / 'a.json').write_text('{"annotations": [{"segmentation": [[1, 2.5]]}, {"segmentation": {"counts": [3]}}, 4]}')
    content = read_packed((tmp_path / 'a.json').read_bytes())['annotations']
    assert isinstance(content[0]['segmentation'], Outline) and content[0]['segmentation'].unpack() == [[1, 2.5]]
    assert pickle.loads(pickle.dumps(content)) == [dict(segmentation=[[1, 2.5]]), dict(segmentation=dict(counts=[3])), 4]


def test_join_is_mmengines_serialization() -> None:
    persons = [dict(img_path='a', x=[1, 2]), dict(img_path='b'), dict(img_path='a', y=np.ones(3))]
    data, ends = join([pack(person).data for person in persons])
    parts = [pickle.dumps(person, 4) for person in persons]
    assert data.tobytes() == b''.join(parts) and data.dtype == np.uint8
    assert ends.tolist() == np.cumsum([len(part) for part in parts]).tolist() and ends.dtype == np.int64
    assert [len(part) for part in join([])] == [0, 0]


class TestPhotoNumbers:

    def test_the_sampler_opens_no_person(self, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
        data = CocoDataset(ann_file=file, pipeline=[])
        paths = [data.get_data_info(i)['img_path'] for i in range(len(data))]
        expected = [sorted(i for i, other in enumerate(paths) if other == path) for path in paths]
        monkeypatch.setattr(CocoDataset, 'get_data_info', None)
        monkeypatch.setattr('mmengine.dataset.BaseDataset.get_data_info', None)
        numbers = PhotoWindowSampler(data, seed=0)._photos
        assert [np.flatnonzero(numbers == number).tolist() for number in numbers] == expected

    def test_a_subset_has_its_own(self, file: str) -> None:
        data = CocoDataset(ann_file=file, pipeline=[])
        part = data.get_subset(list(range(len(data)))[::-2])
        assert part.photo_numbers is None
        assert len(PhotoWindowSampler(part, seed=0)._photos) == len(part) < len(data)
        data.get_subset_(3)
        assert data.photo_numbers is None
