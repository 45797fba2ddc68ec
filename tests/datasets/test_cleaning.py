"""Labels that a model contradicts are left out, and no others."""
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsn_mm.apis import PoseInferencer
from rsn_mm.datasets.cleaning import comparable, contradicted, without

from ..conftest import load_script

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / 'docs' / 'images' / 'demo.png'


def test_far_and_certain() -> None:
    labels = [[10, 10, 2], [10, 10, 1], [10, 10, 2], [0, 0, 0], [10, 10, 2]]
    person = dict(bbox=[0, 0, 50, 100], keypoints=np.ravel(labels).tolist(), num_keypoints=4, id=7)
    seen = np.array([[10, 31], [31, 10], [10, 29], [90, 90], [90, 90]])  # 0.2 of the longer side are 20 px
    wrong = contradicted(person, seen, np.array([.9, .9, .9, .9, .4]), distance=.2, score=.5)
    assert wrong.tolist() == [True, True, False, False, False]
    cleaned = without(person, wrong)
    assert cleaned['keypoints'] == [0] * 6 + [10, 10, 2, 0, 0, 0, 10, 10, 2]
    assert cleaned['num_keypoints'] == 2 and cleaned['id'] == 7 and person['num_keypoints'] == 4


def test_the_tool_leaves_out_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Labels are the model's own but for one, in the second picture of three, of which the third cannot be read."""
    for name in 'ab':
        shutil.copy(PHOTO, tmp_path / f'{name}.png')
    (tmp_path / 'c.png').write_bytes(b'no picture')
    box = [10., 10., 80., 180.]
    result, = PoseInferencer('rsn18_lsp_128x96', flip_test=True)(str(PHOTO), boxes=[[10, 10, 90, 190]])
    right = np.column_stack([result.keypoints[0], np.full(14, 2.)])
    wrong = right.copy()
    wrong[3, :2] += 100
    people = [dict(id=i, image_id=i, category_id=1, iscrowd=0, bbox=box, area=1., num_keypoints=14,
                   keypoints=joints.ravel().tolist()) for i, joints in enumerate((right, wrong, wrong))]
    del people[0]['num_keypoints']  # it may be missing
    # None of these can be compared, and none is in the way of the others.
    odd = [dict(people[0], id=9, keypoints=[1, 2]), dict(id=10, image_id=0, category_id=1, keypoints=people[0]['keypoints']),
           dict(people[0], id=11, image_id=77), dict(people[0], id=12, bbox=[5, 5, 0, 0]), dict(people[0], id=13, iscrowd=1)]
    categories = [dict(id=1, name='person', keypoints=list(result.keypoint_names))]
    images = [dict(id=i, file_name=f'{name}.png', width=100, height=200) for i, name in enumerate('abc')]
    # A photo that is listed twice, before others.
    images.insert(1, dict(images[0], id=5))
    people.insert(1, dict(people[0], id=5, image_id=5))
    (tmp_path / 'labels.json').write_text(json.dumps(dict(images=images, annotations=people + odd, categories=categories)))
    monkeypatch.setattr(sys, 'argv', ['clean_labels.py', str(tmp_path / 'labels.json'), str(tmp_path), '--score', '0', '--out',
                                      str(tmp_path / 'clean.json')])
    load_script(ROOT / 'tools' / 'clean_labels.py').main()
    cleaned = json.loads((tmp_path / 'clean.json').read_text())
    expected = without(people[2], np.arange(14) == 3)
    assert cleaned == dict(images=images, annotations=[*people[:2], expected, people[3], *odd], categories=categories)
    said = capsys.readouterr().out
    assert f"1 joints left out ({{'{result.keypoint_names[3]}': 1}}), 55 kept." in said
    assert 'as they were: 5 annotations' in said
    assert 'c.png' in said and 'The people of 1 images are as they were' in said


@pytest.mark.parametrize('change, message', [
    (lambda content: content['categories'][0]['keypoints'].reverse(), 'lists the joints in another order: joint 0 is'),
    (lambda content: content['annotations'][0].update(keypoints=[1, 1, 2] * 17), 'Cleaning cannot use'),
    (lambda content: content.update(annotations={}), "it is no object with the lists 'images' and 'annotations'")])
def test_other_joints_and_other_files_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    names = ['left_hip', 'right_hip', 'neck']
    content = dict(images=[dict(id=1, file_name='a.png')], categories=[dict(id=1, name='person', keypoints=names[:])],
                   annotations=[dict(id=3, image_id=1, category_id=1, bbox=[1, 1, 9, 9], keypoints=[2, 2, 2] * 3)])
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(content))
    assert comparable(str(path), names)[0] == {3}
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        comparable(str(path), names)
