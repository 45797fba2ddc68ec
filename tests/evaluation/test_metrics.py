"""COCO's metric scores what our data sets make of a file, whatever number people have in it, and nothing that is NaN."""
import json
import logging
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy as np
import pytest
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from rsn_mm.datasets import CocoDataset, CocoWholeBodyDataset
from rsn_mm.datasets.faults import WHOLE_BODY
from rsn_mm.evaluation import CocoMetric, CocoWholeBodyMetric


def samples(data: Any, joints: Dict[Any, np.ndarray], with_category: bool = True) -> List[dict]:
    """What a model that finds the given joints, by photo, predicts for all persons of a data set."""
    found = []
    for person in data:
        sample = PoseDataSample(metainfo=dict(id=person['id'], img_id=person['img_id'], **(
            dict(category_id=person['category_id']) if with_category and 'category_id' in person else {})))
        keypoints = joints[person['img_id']][None]
        sample.pred_instances = InstanceData(keypoints=keypoints, keypoint_scores=np.ones(keypoints.shape[:2]))
        sample.gt_instances = InstanceData(bbox_scores=np.ones(1), bbox_scales=np.full((1, 2), 50.))
        found.append(sample.to_dict())
    return found


def score(metric: Any, data: Any, predictions: List[dict]) -> float:
    metric.dataset_meta = data.metainfo
    metric.process(None, predictions)
    metrics = metric.evaluate(len(predictions))
    return round(metrics['coco/AP' if isinstance(metric, CocoMetric) else 'coco-wholebody/AP'], 9)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:

    def make(category: int = 1, **person: Any) -> str:
        """Photos 1 and 2 with a person each, 10 and 20; joints of the second are those of the first, moved by 5."""
        rng = np.random.default_rng(0)
        joints = np.column_stack([rng.integers(20, 80, (17, 2)), np.full(17, 2)])
        persons = [dict(id=10 * i, image_id=i, category_id=category, bbox=[10, 10, 80, 80], area=6400, iscrowd=0,
                        num_keypoints=17, keypoints=(joints + [5 * (i - 1), 0, 0]).ravel().tolist()) for i in (1, 2)]
        persons[1].update(person)
        content = dict(images=[dict(id=i, file_name=f'{i}.jpg', width=100, height=100) for i in (1, 2)], annotations=persons,
                       categories=[dict(id=category, name='person')])
        (tmp_path / 'a.json').write_text(json.dumps(content))
        return str(tmp_path / 'a.json')

    return make


def truth(path: str) -> Dict[Any, np.ndarray]:
    with open(path) as file:
        return {person['image_id']: np.reshape(person['keypoints'], (-1, 3))[:, :2].astype(float)
                for person in json.load(file)['annotations'] if len(person['keypoints']) == 51}


@pytest.mark.parametrize('with_category', [True, False])
@pytest.mark.parametrize('annotated, detected', [(3, None), (3, 1), (1, 3), (0, 1), (3, 3), (1, 1), (7, 'none')])
def test_people_may_have_any_category(write: Callable, tmp_path: Path, annotated: int, detected: Any,
                                      with_category: bool) -> None:
    path = write(annotated)
    boxes = None
    if detected is not None:
        boxes = str(tmp_path / 'boxes.json')
        found = [dict(image_id=i, category_id=detected, bbox=[10, 10, 80, 80], score=.9) for i in (1, 2)]
        for box in found if detected == 'none' else ():
            del box['category_id']
        Path(boxes).write_text(json.dumps(found))
    data = CocoDataset(ann_file=path, bbox_file=boxes, test_mode=True, pipeline=[])
    assert score(CocoMetric(path), data, samples(data, truth(path), with_category)) == 1


def test_several_categories_that_do_not_meet(write: Callable, tmp_path: Path) -> None:
    """Both files and their ids are named."""
    (tmp_path / 'boxes.json').write_text(json.dumps(
        [dict(image_id=1, category_id=i, bbox=[1, 1, 9, 9], score=1) for i in (2, 5)]))
    with pytest.raises(ValueError, match=r"boxes.json': its category_id is 2 or 5, that of people in '.*a.json' is 3\. "):
        CocoDataset(ann_file=write(3), bbox_file=str(tmp_path / 'boxes.json'), test_mode=True, pipeline=[])


def test_other_things_than_people_are_left_out(write: Callable, tmp_path: Path) -> None:
    (tmp_path / 'boxes.json').write_text(json.dumps(
        [dict(image_id=1, category_id=i, bbox=[1, 1, 9, 9], score=1) for i in (1, 2, 5, 1)]))
    data = CocoDataset(ann_file=write(), bbox_file=str(tmp_path / 'boxes.json'), test_mode=True, pipeline=[])
    assert [person['id'] for person in data] == [0, 3]


@pytest.mark.parametrize('person, message', [
    (dict(id='a'), "annotations[1]: id='a': an integer"), (dict(image_id=1.0), 'annotations[1]: image_id=1.0: an integer'),
    (dict(category_id=None), 'annotations[1]: category_id=None: an integer')])
def test_refuses_what_the_data_set_refuses_in_the_same_words(write: Callable, person: dict, message: str) -> None:
    path = write(**person)
    with pytest.raises(ValueError) as by_data:
        CocoDataset(ann_file=path, pipeline=[])
    with pytest.raises(ValueError) as by_metric:
        CocoMetric(path).dataset_meta = CocoDataset(lazy_init=True, ann_file=path).metainfo
    assert message in str(by_data.value) and 'a.json' in str(by_data.value)
    assert str(by_metric.value) == str(by_data.value).replace('CocoDataset', 'CocoMetric')


@pytest.mark.parametrize('person', [
    dict(bbox=[1, 2, 0, 4]), dict(keypoints=[1, 2, 2] * 4), dict(area='x'), dict(image_id=9), dict(category_id=9)])
def test_what_the_data_set_leaves_out_is_not_scored(write: Callable, person: dict) -> None:
    path = write(**person)
    data = CocoDataset(ann_file=path, test_mode=True, pipeline=[])
    assert len(data) == 1 and score(CocoMetric(path), data, samples(data, truth(path))) == 1


@pytest.mark.parametrize('person', [dict(area=None), dict(num_keypoints=0), dict(num_keypoints='x'), dict(iscrowd=None)])
def test_what_is_kept_is_scored(write: Callable, person: dict) -> None:
    path = write(**person)
    data = CocoDataset(ann_file=path, test_mode=True, pipeline=[])
    assert len(data) == 2 and score(CocoMetric(path), data, samples(data, truth(path))) == 1


@pytest.mark.parametrize('broken', [np.nan, np.inf])
@pytest.mark.parametrize('nms_mode', ['oks_nms', 'none'])
def test_nan_never_scores(write: Callable, broken: float, nms_mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And takes nobody else's score."""
    logged: List[str] = []
    monkeypatch.setattr('rsn_mm.evaluation.metrics.print_log', lambda text, logger, level: logged.append((level, text)))
    path = write()
    data = CocoDataset(ann_file=path, test_mode=True, pipeline=[])
    joints = truth(path)
    alone = samples(data, {1: joints[1], 2: np.full((17, 2), broken)})
    half = score(CocoMetric(path, nms_mode=nms_mode), data, alone)
    beside = score(CocoMetric(path, nms_mode=nms_mode), data, [*samples(data, joints), *(
        dict(sample, id=-1, img_id=1) for sample in alone[1:])])
    assert 0 < half < .6 and beside == 1
    assert len(logged) == 2 and logged[0][0] == logging.ERROR and '1 poses' in logged[0][1]


def test_result_file_with_nan(write: Callable, tmp_path: Path) -> None:
    from rsn_mm.evaluation.results import coco_metrics, keypoint_sigmas
    path = write()
    results = [dict(image_id=i, category_id=1, score=1., keypoints=[float('nan')] * 51) for i in (1, 2)]
    (tmp_path / 'r.json').write_text(json.dumps(results))
    assert coco_metrics(tmp_path / 'r.json', path, keypoint_sigmas())['AP'] == 0


@pytest.mark.parametrize('category', [1, 3])
def test_whole_bodies(tmp_path: Path, category: int, scope: Optional[Callable]) -> None:
    rng = np.random.default_rng(0)
    joints = np.column_stack([rng.integers(20, 80, (133, 2)), np.full(133, 2)]).tolist()
    person = dict(id=1, image_id=1, category_id=category, bbox=[10, 10, 80, 80], area=6400, num_keypoints=17)
    start = 0
    for field, count in WHOLE_BODY:
        person[field] = sum(joints[start:start + count], [])
        start += count
    broken = dict(person, id=2, face_kpts=[1, 2, 3])
    content = dict(images=[dict(id=1, file_name='1.jpg', width=100, height=100)], annotations=[person, broken],
                   categories=[dict(id=category, name='person')])
    path = str(tmp_path / 'a.json')
    Path(path).write_text(json.dumps(content))
    data = CocoWholeBodyDataset(ann_file=path, test_mode=True, pipeline=[])
    assert [person['id'] for person in data] == [1]
    found = samples(data, {1: np.array(joints)[:, :2].astype(float)})
    assert score(CocoWholeBodyMetric(path), data, found) == 1
