"""Annotations that cannot be used are left out when a data set is made; the log names them, and the others stay."""
import json
import logging
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest

from rsn_mm.datasets import CocoDataset, CrowdPoseDataset, MpiiDataset

NAN, INF = float('nan'), float('inf')
PERSON = dict(image_id=1, category_id=1, bbox=[10., 20., 30., 40.], area=1200., iscrowd=0, num_keypoints=17,
              keypoints=[20, 30, 2] * 17)


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> List[str]:
    lines: List[str] = []

    def print_log(message: str, logger: Any = None, level: int = logging.INFO) -> None:
        assert (logger, level) == ('current', logging.WARNING)
        lines.append(message)

    monkeypatch.setattr('rsn_mm.datasets.judged_files.print_log', print_log)
    return lines


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., CocoDataset]:

    def write(*persons: Dict[str, Any], images: List[dict] = (), **kwargs: Any) -> CocoDataset:
        """Persons 1, 2, ... that differ from a sound one; the first one is sound."""
        photos = [dict(id=i, file_name=f'{i}.jpg', width=100, height=120) for i in (1, 2)]
        content = dict(images=[*photos, *images], categories=[dict(id=1, name='person')],
                       annotations=[{**PERSON, 'id': i + 1, **person} for i, person in enumerate([{}, *persons])])
        (tmp_path / 'a.json').write_text(json.dumps(content))
        return CocoDataset(ann_file=str(tmp_path / 'a.json'), pipeline=[], **kwargs)

    return write


def ids(data: CocoDataset) -> List[Any]:
    return [person['id'] for person in data]


class TestCoco:

    @pytest.mark.parametrize('person, meaning', [
        (dict(bbox=[NAN, 2, 3, 4]), 'four finite numbers'), (dict(bbox=[1, 2, 3]), 'four finite numbers'),
        (dict(bbox=[1, 2, 0, 4]), 'no area'), (dict(bbox=[50, 50, -9, 4]), 'negative width'),
        (dict(bbox=[500, 2, 9, 9]), 'less than a pixel'), (dict(bbox=[99, 2, 9, 9]), 'less than a pixel'),
        (dict(keypoints=[20, 30, 2] * 16), 'as often as'), (dict(keypoints=[20, 30] * 17), 'as often as'),
        (dict(keypoints=[NAN, 30, 2] * 17), 'NaN or infinity'), (dict(image_id=9), 'does not list'),
        (dict(category_id=5), 'a category that the file does not list'),
        (dict(area='large'), 'area that is no number'), (dict(iscrowd=2), 'iscrowd other than'),
    ])
    @pytest.mark.parametrize('test_mode', [False, True])
    def test_unusable(self, make: Callable, logged: List[str], person: dict, meaning: str, test_mode: bool) -> None:
        assert ids(make({}, person, person, {}, test_mode=test_mode)) == [1, 2, 5]
        line, = logged
        assert line.startswith('CocoDataset leaves out 2 persons of ') and meaning in line and 'Ids: 3, 4.' in line

    @pytest.mark.parametrize('person, said', [
        (dict(bbox=[-5, 2, 30, 400]), None), (dict(keypoints=[20, 30, 3] * 17), 'above 2 is visible'),
        (dict(num_keypoints=5), 'are counted instead'), (dict(keypoints=[20, 30, 2] * 16 + [900, 900, 2]), 'as not labelled')])
    def test_usable(self, make: Callable, logged: List[str], person: dict, said: Optional[str]) -> None:
        assert ids(make(person)) == [1, 2] and len(logged) == (said is not None)
        assert said is None or said in logged[0] and 'keeps 1 persons' in logged[0]

    @pytest.mark.parametrize('person', [dict(iscrowd=1), dict(keypoints=[0] * 51, num_keypoints=0)])
    def test_what_mmpose_leaves_out_is_no_fault(self, make: Callable, logged: List[str], person: dict) -> None:
        assert ids(make(person)) == [1] and logged == []

    @pytest.mark.parametrize('image_id', [1, 2])
    def test_id_twice(self, make: Callable, logged: List[str], image_id: int) -> None:
        """The last one is kept, once, in its own photo."""
        data = make(dict(id=7), dict(id=7, image_id=image_id, bbox=[11., 22., 33., 44.]))
        assert ids(data) == [1, 7]
        assert data[1]['img_path'] == f'{image_id}.jpg' and data[1]['bbox'].tolist() == [[11., 22., 44., 66.]]
        assert len(logged) == 1 and 'Ids: 7. The first: 2 annotations' in logged[0]

    def test_photo_id_twice(self, make: Callable, logged: List[str]) -> None:
        alike, other = (dict(id=2, file_name=name, width=100, height=120) for name in ('2.jpg', '3.jpg'))
        assert ids(make(dict(image_id=2), images=[alike])) == [1, 2] and 'keeps 1 photos' in logged.pop()
        assert ids(make(dict(image_id=2), images=[other])) == [1]
        assert len(logged) == 1 and 'Ids: 2. ' in logged[0]

    @pytest.mark.parametrize('change', [dict(width='100'), dict(height=0), dict(file_name='\udcff.jpg'), dict(file_name='')])
    def test_photo_entry(self, make: Callable, logged: List[str], change: dict) -> None:
        image = {**dict(id=3, width=100, height=120, file_name='3.jpg'), **change}
        assert ids(make(dict(image_id=3), images=[image])) == [1]
        assert len(logged) == 1 and 'leaves out 1 photos' in logged[0] and 'Ids: 3.' in logged[0]

    def test_many_are_named_in_part(self, make: Callable, logged: List[str]) -> None:
        make(*[dict(bbox=[1, 2, 0, 0])] * 15)
        assert 'leaves out 15 persons' in logged[0] and 'Ids: 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 5 more.' in logged[0]

    def test_missing_entries(self, tmp_path: Path) -> None:
        content = dict(images=[dict(file_name='1.jpg')], annotations=[], categories=[dict(id=1)])
        (tmp_path / 'a.json').write_text(json.dumps(content))
        with pytest.raises(ValueError, match=r"a.json': images\[0\]: it has no id: an integer is expected.*check_dataset"):
            CocoDataset(ann_file=str(tmp_path / 'a.json'), pipeline=[])

    @pytest.mark.parametrize('kind', [CocoDataset, CrowdPoseDataset, MpiiDataset])
    @pytest.mark.parametrize('data', [b'{"images": [', b'{"images": ["\xff"]}'])
    def test_broken_file(self, tmp_path: Path, kind: type, data: bytes) -> None:
        (tmp_path / 'a.json').write_bytes(data)
        with pytest.raises(ValueError, match=rf"{kind.__name__} cannot use '.*a.json': it is no (whole )?JSON file"):
            kind(ann_file=str(tmp_path / 'a.json'), pipeline=[])


class TestDetections:

    def test_unusable(self, make: Callable, logged: List[str], tmp_path: Path) -> None:
        sound = dict(image_id=1, category_id=1, bbox=[1., 2., 3., 4.], score=.5)
        boxes = [sound, {**sound, 'bbox': [1, 2, NAN, 4]}, {**sound, 'bbox': [1, 2, 0, 4]}, {**sound, 'score': NAN}, sound]
        (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
        assert ids(make(bbox_file=str(tmp_path / 'boxes.json'), test_mode=True)) == [0, 4]
        assert len(logged) == 1 and 'leaves out 3 detections' in logged[0] and 'Ids: 1, 2, 3.' in logged[0]

    def test_unknown_photo(self, make: Callable, tmp_path: Path) -> None:
        (tmp_path / 'boxes.json').write_text(json.dumps([dict(image_id=9, category_id=1, bbox=[1., 2., 3., 4.], score=.5)]))
        with pytest.raises(ValueError, match=r"boxes.json': no box is .* image_id=9, which is not listed"):
            make(bbox_file=str(tmp_path / 'boxes.json'), test_mode=True)


class TestMpii:

    @pytest.mark.parametrize('change', [dict(center=[NAN, 0]), dict(scale=0), dict(joints=[[NAN, 1]] * 16),
                                        dict(joints=[[1, 1]] * 15), dict(joints_vis=[1] * 15)])
    def test_unusable(self, tmp_path: Path, logged: List[str], change: dict) -> None:
        sound = dict(image='1.jpg', center=[50., 60.], scale=.5, joints=[[30., 40.]] * 16, joints_vis=[1] * 16)
        (tmp_path / 'a.json').write_text(json.dumps([sound, {**sound, **change}, sound]))
        assert ids(MpiiDataset(ann_file=str(tmp_path / 'a.json'), pipeline=[])) == [0, 2]
        assert len(logged) == 1 and 'Ids: 1.' in logged[0]

    @pytest.mark.parametrize('change', [dict(joints_vis=[0] * 16), dict(joints_vis=[0] * 16, joints=[[-1, -1]] * 16)])
    def test_without_labels(self, tmp_path: Path, mpii_file: Callable, change: dict) -> None:
        """Nobody learns from them, but they can be predicted."""
        sound, without = (json.loads(Path(mpii_file(tmp_path / 'a.json', 1, **more)).read_text())[0] for more in ({}, change))
        (tmp_path / 'a.json').write_text(json.dumps([sound, without]))
        for test_mode, expected in ((False, [0]), (True, [0, 1])):
            assert ids(MpiiDataset(ann_file=str(tmp_path / 'a.json'), test_mode=test_mode, pipeline=[])) == expected
        (tmp_path / 'a.json').write_text(json.dumps([without]))
        assert ids(MpiiDataset(ann_file=str(tmp_path / 'a.json'), test_mode=True, pipeline=[])) == [0]
        with pytest.raises(ValueError, match='has a box and a labelled joint'):
            MpiiDataset(ann_file=str(tmp_path / 'a.json'), pipeline=[])

    def test_a_photo_without_a_number(self, tmp_path: Path, mpii_file: Callable) -> None:
        with pytest.raises(ValueError, match=r"a.json': person 0: image='me.jpg': a number is expected"):
            MpiiDataset(ann_file=mpii_file(tmp_path / 'a.json', image='me.jpg'), pipeline=[])
