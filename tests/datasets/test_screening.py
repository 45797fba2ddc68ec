"""Annotations that are screened together are judged as one by one, and a clean file asks no rule of any of them."""
import gc
import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import pytest

from rsn_mm.datasets import CocoDataset, screening
from rsn_mm.datasets import judgement as judging
from rsn_mm.datasets.faults import ANY_LAYOUT, WHOLE_BODY, Layout
from rsn_mm.datasets.judgement import Judgement, judge
from rsn_mm.datasets.packed import Outline
from rsn_mm.datasets.screening import DOUBTFUL, NO_JOINT, SOUND, Screened, screen

NAN, INF, HUGE = float('nan'), float('inf'), 10**400
NUM_KEYPOINTS = 3
NUMBERS: List[Any] = [0, -0., 1, 2, 3, .5, -1, -1.01, 1e-50, -49.99, -60.5, 99, 99.97, 101, 101.5, 160.5, 180, 1e6, 1e7, NAN,
                      INF, HUGE, 2**63, True, False, None, '1', [], {}]


def person(number: int) -> Dict[str, Any]:
    return dict(id=number, image_id=1 + number % 3, category_id=1, bbox=[10., 20, 30, 40.5], area=600.5, iscrowd=0,
                num_keypoints=2, keypoints=[12, 22, 2, 0, 0, 0, 15.5, 33, 1],
                segmentation=Outline([[1, 2, 3, 4, 5, 6.5]]))


def content(annotations: List[Any], **changes: Any) -> Dict[str, Any]:
    images = [dict(id=i, file_name=f'{i}.jpg', width=100, height=120.) for i in (1, 2, 3)]
    return dict(dict(images=images, annotations=annotations, categories=[
        dict(id=1, name='person', keypoints=['a', 'b', 'c']), dict(id=2, name='dog')]), **changes)


def changed(rng: np.random.Generator, number: int) -> Any:
    """A person in whom something may be odd: a number of a list, a field, or a field that is not there."""
    made = person(number)
    kind = rng.integers(8)
    if kind < 3:
        values = made[('bbox', 'keypoints', 'keypoints')[kind]]
        for place in rng.integers(0, len(values), rng.integers(1, 4)):
            values[place] = NUMBERS[rng.integers(len(NUMBERS))]
    elif kind == 3:
        made[list(made)[rng.integers(len(made))]] = NUMBERS[rng.integers(len(NUMBERS))]
    elif kind == 4:
        del made[list(made)[rng.integers(len(made))]]
    elif kind == 5:
        made.update(keypoints=[0] * 3 * NUM_KEYPOINTS, num_keypoints=int(rng.integers(2)), iscrowd=int(rng.integers(2)))
    elif kind == 6:
        made.update(keypoints=made['keypoints'][:rng.integers(10)], category_id=int(rng.integers(1, 4)))
        made['bbox'] += [1] * int(rng.integers(2))
    elif rng.random() < .1:
        made.update(segmentation=Outline([[1]]), id=3)
    return made


def odd_content(seed: int) -> Dict[str, Any]:
    rng = np.random.default_rng(seed)
    photos = [dict(id=1, file_name='1.jpg', width=100, height=120), dict(id=2, file_name='2.jpg'),
              dict(id=3, file_name='3.jpg', width=100., height=20)]
    return content([changed(rng, number) for number in range(rng.choice([1, 2, 5, 200], p=(.3, .3, .3, .1)))],
                   **dict(images=photos) if rng.random() < .3 else {})


def told(judged: Judgement) -> str:
    """All that it says, with the types of numbers."""
    for entry in judged.content.get('annotations', ()):
        if isinstance(entry.get('segmentation'), Outline):
            entry['segmentation'] = entry['segmentation'].unpack()
    return repr(judged)


def one_by_one(annotations: List[Any], *_: Any) -> Screened:
    return Screened([DOUBTFUL] * len(annotations), np.zeros(0, int))


@pytest.mark.parametrize('layout', [ANY_LAYOUT, Layout((('keypoints', 3), ), ('a', 'b', 'c')), Layout(WHOLE_BODY),
                                    ANY_LAYOUT._replace(sized=False)], ids=['any', 'named', 'whole body', 'unsized'])
@pytest.mark.parametrize('needs_joints', [True, False])
def test_judgements_are_those_of_the_rules(layout: Layout, needs_joints: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening, 'BLOCK', 64)
    for seed in range(60):
        together = judge(odd_content(seed), layout, needs_joints=needs_joints)
        with monkeypatch.context() as patch:
            patch.setattr(judging, 'screen', one_by_one)
            apart = judge(odd_content(seed), layout, needs_joints=needs_joints)
        assert told(together) == told(apart)


def test_verdicts() -> None:
    images = {i: dict(id=i, file_name='a', width=100, height=120) for i in (1, 2, 3)}
    nobody = dict(person(1), keypoints=[0] * 9, num_keypoints=0)
    crowd = dict(person(2), iscrowd=1, keypoints=[5, 5, 2] * 3, num_keypoints=3)
    true = [dict(person(6), area=True), dict(person(7), keypoints=[5, 5, 2] + [0] * 6, num_keypoints=True)]
    persons = [person(0), nobody, crowd, dict(person(3), area=0), person(4), dict(person(5), category_id=2), *true]
    found = screen(persons, images, {1: (('keypoints', 3), ), 2: (('keypoints', 4), )}, {4})
    assert found.verdicts == [SOUND, NO_JOINT, SOUND, *[DOUBTFUL] * 5]
    assert found.seen.tolist() == [1, 0, 1]


def test_no_rule_is_asked_of_a_clean_file(tmp_path: Path, coco_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch,
                                          ) -> None:
    """Of 262,000 annotations of COCO they would take longer than reading the file."""
    asked = []
    rules = judging.annotation_faults
    monkeypatch.setattr(judging, 'annotation_faults', lambda *args: asked.append(args) or rules(*args))
    path = coco_file(tmp_path / 'a.json', num_people=20)
    whole = json.loads(Path(path).read_text())
    whole['annotations'][7].update(keypoints=[0] * 51, num_keypoints=0)
    Path(path).write_text(json.dumps(whole))
    monkeypatch.setattr('rsn_mm.datasets.checked.parse_person', None)  # nor is a person parsed before it is asked for
    assert len(CocoDataset(ann_file=path, pipeline=[])) == 19 and not asked
    whole['annotations'][3]['bbox'][0] = -9
    Path(path).write_text(json.dumps(whole))
    assert len(CocoDataset(ann_file=path, pipeline=[])) == 19 and len(asked) == 1


@pytest.mark.parametrize('is_on', [True, False])
@pytest.mark.parametrize('text', ['{"images": [', '[]', None])
def test_collection_of_garbage_goes_on(text: Any, is_on: bool, tmp_path: Path, coco_file: Callable[..., str],
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    path = coco_file(tmp_path / 'a.json')
    while_packing = []
    monkeypatch.setattr('rsn_mm.datasets.checked.pack_unparsed', lambda *_: while_packing.append(gc.isenabled()))
    if text:
        Path(path).write_text(text)
    was_on = gc.isenabled()
    try:
        (gc.enable if is_on else gc.disable)()
        with pytest.raises(ValueError, match='cannot use' if text else 'finds no person'):
            CocoDataset(ann_file=path, pipeline=[])
        assert gc.isenabled() is is_on and not any(while_packing)
    finally:
        (gc.enable if was_on else gc.disable)()
