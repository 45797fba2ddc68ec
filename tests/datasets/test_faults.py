"""Each kind of fault is found, named by its ids, and nothing else is."""
import json
from typing import Any, Callable, Dict, List, Optional

import cv2
import numpy as np
import pytest
from PIL import Image

from rsn_mm.datasets.detections import judge_detections
from rsn_mm.datasets.faults import Layout, box_faults, joint_faults
from rsn_mm.datasets.judgement import judge
from rsn_mm.datasets.kinds import KINDS
from rsn_mm.datasets.mpii import mpii_as_coco
from rsn_mm.datasets.photos import Photo, find_photo_faults

NAN, INF = float('nan'), float('inf')
UNSIZED = Layout(sized=False)


def content(*persons: dict, images: List[dict] = ()) -> Dict[str, Any]:
    """Photos 1 and 2 of 100 x 120 px; a person with 3 joints in photo 1 with the id 10, and those given."""
    sound = dict(id=10, image_id=1, category_id=1, bbox=[10, 20, 30, 40], area=900, num_keypoints=2,
                 keypoints=[15, 30, 2, 20, 40, 1, 0, 0, 0])
    whole = dict(sound, id=99, num_keypoints=3, keypoints=[15, 30, 2, 20, 40, 1, 18, 35, 2])
    photos = [dict(id=i, file_name=f'{i}.jpg', width=100, height=120) for i in (1, 2)]
    return dict(images=[*photos, *images], annotations=[sound, *({**sound, 'id': 11, **person} for person in persons), whole],
                categories=[dict(id=1, name='person', keypoints=['a', 'b', 'c'])])


def without(name: str) -> Dict[str, Any]:
    whole = content({})
    del whole['annotations'][1][name]
    return whole


def kinds(faults: Any) -> List[str]:
    return [fault.kind for fault in faults]


class TestAnnotations:

    def test_sound(self) -> None:
        photo = dict(id=3, file_name='3.jpg', width=1, height=2)
        assert judge(content({}, dict(id=12, image_id=2), images=[photo])).faults == []

    @pytest.mark.parametrize('kind, person', [
        *[('box malformed', dict(bbox=box))
          for box in ([1, 2, 3], [1, 2, NAN, 4], [1, INF, 3, 4], [1, 2, None, 4], None, 'abcd')],
        *[('box negative', dict(bbox=box)) for box in ([50, 50, -5, 10], [50, 50, 5, -10])],
        *[('box empty', dict(bbox=box)) for box in ([10, 20, 0, 5], [10, 20, 5, 0.0])],
        *[('box outside', dict(bbox=box)) for box in ([100, 0, 5, 5], [0, 120, 5, 5], [-5, 0, 5, 5], [0, -9, 5, 5])],
        *[('box partly outside', dict(bbox=box)) for box in ([-2, 0, 9, 9], [0, 90, 5, 32], [90, 0, 12, 9], [0, -3, 9, 9])],
        *[('joints malformed', dict(keypoints=joints))
          for joints in ([], [1, 2], [1, 2, 2] * 2, [1, 2, 2] * 4, [None] * 9, 'abc')],
        *[('joints not finite', dict(keypoints=[*[5, 6, 2] * 2, value, 6, 2])) for value in (NAN, INF, -INF)],
        *[('joint flag', dict(keypoints=[*[5, 6, 2] * 2, 5, 6, flag], num_keypoints=3)) for flag in (3, 1.5, 7)],
        *[('joint far outside', dict(keypoints=[*[5, 6, 2] * 2, x, y, 2], num_keypoints=3))
          for x, y in ((161, 0), (-61, 0), (0, 181), (0, -61), (1e9, 5))],
        ('joint count', dict(num_keypoints=3)),
        ('no joint', dict(keypoints=[0] * 9, num_keypoints=0)),
        ('unknown photo', dict(image_id=7)),
        ('unknown category', dict(category_id=2)),
        ('id twice', dict(id=10)),
    ])
    def test_is_named(self, kind: str, person: dict) -> None:
        fault, = judge(content(person, dict(id=12))).faults
        ids = person.get('id', 11), person.get('image_id', 1)
        assert (fault.kind, fault.annotation_id) == (kind, ids[0])
        if kind != 'id twice':
            assert (fault.image_id, fault.file_name) == (ids[1], None if kind == 'unknown photo' else f'{ids[1]}.jpg')

    def test_a_pixel_of_rounding_is_inside(self) -> None:
        assert box_faults([-1, -.5, 102, 121.5], (100, 120)) == []

    def test_a_joint_that_is_not_labelled_may_be_anywhere(self) -> None:
        assert joint_faults([1e9, -1e9, 0, 5, 5, 2], 2, (100, 120), 1) == []

    def test_one_annotation_may_have_several(self) -> None:
        found = kinds(judge(content(dict(id=10, image_id=7, category_id=3, bbox=[0, 0, 0, 0], num_keypoints=5))).faults)
        assert found == ['unknown photo', 'unknown category', 'box empty', 'joint count', 'id twice']

    @pytest.mark.parametrize('name', ['bbox', 'keypoints'])
    def test_no_pose(self, name: str) -> None:
        assert kinds(judge(without(name)).faults) == ['no pose']

    @pytest.mark.parametrize('name', ['id', 'image_id', 'category_id'])
    def test_entry(self, name: str) -> None:
        fault, = judge(without(name)).faults
        assert fault.kind == 'entry' and fault.detail == f'annotations[1]: it has no {name}: an integer is expected'

    @pytest.mark.parametrize('annotation', [None, 3, [], dict(id=[1], image_id=1, category_id=1)])
    def test_entry_of_another_type(self, annotation: Any) -> None:
        whole = content()
        whole['annotations'].append(annotation)
        assert kinds(judge(whole).faults) == ['entry']

    def test_no_categories(self) -> None:
        whole = content()
        del whole['categories']
        assert kinds(judge(whole).faults) == ['category']


class TestPhotoEntries:

    @pytest.mark.parametrize('kind, image', [
        ('entry', dict(file_name='3.jpg', width=1, height=1)),
        ('photo entry', dict(id=3, file_name='3.jpg')),
        ('photo entry', dict(id=3, width=1, height=1)),
        ('photo entry', dict(id=3, file_name='', width=1, height=1)),
        ('photo entry', dict(id=3, file_name='3.jpg', width=0, height=1)),
        ('photo entry', dict(id=3, file_name='3.jpg', width=1)),
        ('photo entry', dict(id=3, file_name='3.jpg', width=1.5, height=1)),
        ('entry', None),
        ('photo name', dict(id=3, file_name='\udcff.jpg', width=1, height=1)),
    ])
    def test_is_found(self, kind: str, image: Any) -> None:
        assert kinds(judge(content(images=[image])).faults) == [kind]

    def test_annotations_of_a_photo_with_a_broken_size(self) -> None:
        whole = content(dict(image_id=3, bbox=[1, 2, 0, 0]), images=[dict(id=3, file_name='3.jpg', width='1', height=1)])
        assert kinds(judge(whole).faults) == ['photo entry', 'box empty']

    @pytest.mark.parametrize('name, kind', [('1.jpg', 'photo listed twice'), ('other.jpg', 'photo id twice')])
    def test_id_twice(self, name: str, kind: str) -> None:
        fault, = judge(content(dict(image_id=2, num_keypoints=3, keypoints=[5, 5, 2] * 3), images=[
            dict(id=1, file_name=name, width=100, height=120)])).faults
        assert (fault.kind, fault.image_id) == (kind, 1)

    @pytest.mark.parametrize('whole', [[], {}, None, dict(images=[]), dict(images={}, annotations=[])])
    def test_other_formats(self, whole: Any) -> None:
        assert kinds(judge(whole).faults) == ['file']


class TestDetections:
    SOUND = dict(image_id=1, category_id=1, bbox=[1, 2, 3, 4], score=.5)

    @pytest.mark.parametrize('change', [
        dict(image_id=9), dict(image_id=None), dict(bbox=[1, 2, 0, 4]), dict(bbox=[1, 2, NAN, 4]), dict(bbox=[1]),
        dict(score=NAN), dict(score=None)])
    def test_is_found_by_its_position(self, change: dict) -> None:
        fault, = judge_detections([self.SOUND, {**self.SOUND, **change}, self.SOUND], judge(content())).faults
        assert (fault.kind, fault.annotation_id) == ('detection photo' if 'image_id' in change else 'detection', 1)

    @pytest.mark.parametrize('detections', [{}, None])
    def test_other_formats(self, detections: Any) -> None:
        assert kinds(judge_detections(detections, judge(content())).faults) == ['file']


class TestMpii:
    SOUND = dict(image='1.jpg', center=[50., 60.], scale=.5, joints=[[30., 40.]] * 16, joints_vis=[1] * 16)

    def test_sound(self, tmp_path: Any, mpii_file: Callable) -> None:
        with open(mpii_file(tmp_path / 'a.json')) as file:
            assert judge(mpii_as_coco(json.load(file)), UNSIZED).faults == []

    @pytest.mark.parametrize('kind, change', [
        ('box malformed', dict(center=[NAN, 0])), ('box malformed', dict(center=None)), ('box malformed', dict(scale=NAN)),
        ('box empty', dict(scale=0)), ('box negative', dict(scale=-1)), ('joints malformed', dict(joints=[[1, 2]] * 15)),
        ('joints malformed', dict(joints=[[1]] * 16)), ('joints not finite', dict(joints=[[1, INF]] * 16)),
        ('joint flag', dict(joints_vis=[1] * 15 + [2])), ('no joint', dict(joints_vis=[0] * 16)), ('entry', dict(image=None)),
    ])
    def test_is_found(self, kind: str, change: dict) -> None:
        faults = judge(mpii_as_coco([self.SOUND, {**self.SOUND, **change}]), UNSIZED).faults
        assert kinds(faults) == [kind] and (kind == 'entry' or faults[0].annotation_id == 1)

    def test_other_formats(self) -> None:
        with pytest.raises(TypeError, match='no list of persons'):
            mpii_as_coco({})


class TestPhotos:

    def test_each_kind(self, tmp_path: Any) -> None:
        image = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
        jpeg = cv2.imencode('.jpg', image)[1].tobytes()
        png = cv2.imencode('.png', image)[1].tobytes()
        files = {'sound.jpg': jpeg, 'sound.png': png, 'behind.jpg': jpeg + b'more', 'short.jpg': jpeg[:-40],
                 'half.png': png[:900], 'empty.jpg': b'', 'text.jpg': b'no image', 'large.jpg': jpeg}
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        photos = [Photo(str(tmp_path / name), i, (31, 40) if name == 'large.jpg' else (30, 40))
                  for i, name in enumerate([*files, 'none.jpg'])] + [Photo(str(tmp_path / 'large.jpg'), 99, None)]
        faults = list(find_photo_faults(photos, workers=3, progress=False))
        assert [(fault.image_id, fault.kind) for fault in faults] == [
            (3, 'photo cut short'), (4, 'photo cut short'), (5, 'photo unreadable'), (6, 'photo unreadable'),
            (7, 'photo size'), (8, 'photo missing')]
        assert faults[0].file_name == str(tmp_path / 'short.jpg') and '30x40 px instead of 31x40' in faults[4].detail

    def test_workers(self) -> None:
        with pytest.raises(ValueError, match='workers=0'):
            next(find_photo_faults([], workers=0))


class TestOrientation:
    """EXIF data turn a photo when it is read; labels that were made on the pixels as stored then do not fit."""

    @pytest.mark.parametrize('orientation, size, kind', [
        (1, (30, 40), None), (2, (30, 40), 'photo turned'), (3, (30, 40), 'photo turned'), (4, (30, 40), 'photo turned'),
        (6, (40, 30), None), (6, (30, 40), 'photo size'), (8, (30, 30), 'photo turned'), (9, (30, 40), None)])
    def test_is_a_warning(self, tmp_path: Any, orientation: int, size: tuple, kind: Optional[str]) -> None:
        stored = (30, 40) if orientation != 8 else (30, 30)
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new('RGB', stored).save(tmp_path / '1.jpg', exif=exif)
        faults = list(find_photo_faults([Photo(str(tmp_path / '1.jpg'), 1, size)], progress=False))
        assert [fault.kind for fault in faults] == ([kind] if kind else [])
        assert kind != 'photo size' or 'as its EXIF orientation is 6' in faults[0].detail
        assert KINDS['photo turned'].level == 'warning'


def test_levels() -> None:
    assert {kind.level for kind in KINDS.values()} == {'error', 'warning'}
