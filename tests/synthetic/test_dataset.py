import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from rsn_mm.synthetic import dataset, draw_picture, make_people
from rsn_mm.synthetic.skeleton import KEYPOINT_NAMES

SMALL = dict(num_train=4, num_val=2, seed=3, size_wh=(120, 96), progress=False)
TOOL = Path(__file__).parents[2] / 'tools' / 'make_people.py'


def content(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob('*')) if path.is_file()}


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    return make_people(tmp_path_factory.mktemp('people') / 'new' / 'folder', **SMALL)


def test_layout(made):
    assert sorted(content(made.root)) == [
        '.rsn_mm_people.json', 'annotations/person_keypoints_train.json', 'annotations/person_keypoints_val.json',
        'train/000000000001.jpg', 'train/000000000002.jpg', 'train/000000000003.jpg', 'train/000000000004.jpg',
        'val/000000000001.jpg', 'val/000000000002.jpg']
    assert not made.reused


def test_annotations_load_and_agree_with_the_pictures(made):
    for annotations, images, count in ((made.train_annotations, made.train_images, 4),
                                       (made.val_annotations, made.val_images, 2)):
        coco = COCO(str(annotations))
        assert coco.getImgIds() == list(range(1, count + 1))
        assert coco.getAnnIds() == list(range(1, len(coco.anns) + 1))
        category, = coco.loadCats(coco.getCatIds())
        assert category['name'] == 'person' and category['keypoints'] == list(KEYPOINT_NAMES)
        assert len(category['skeleton']) == 19 and np.ptp(category['skeleton']) == 16
        for image in coco.imgs.values():
            picture = cv2.imread(str(images / image['file_name']))
            assert picture.shape == (image['height'], image['width'], 3)
            assert image['height'] == 96 and 96 <= image['width'] <= 120
            assert coco.getAnnIds(imgIds=image['id'])
        for annotation in coco.anns.values():
            keypoints = np.reshape(annotation['keypoints'], (17, 3))
            assert annotation['num_keypoints'] == (keypoints[:, 2] > 0).sum() >= 1
            assert annotation['iscrowd'] == 0 and annotation['category_id'] == 1
            assert 0 < annotation['area'] <= np.prod(annotation['bbox'][2:])
            assert isinstance(annotation['area'], float)
            assert coco.annToMask(annotation).sum() > 0.6 * annotation['area']


def test_annotations_are_those_of_draw_picture(made):
    image, people = draw_picture('val', 1, seed=3, size_wh=(120, 96))
    written = cv2.imread(str(made.val_images / '000000000002.jpg'))
    assert written.shape == image.shape and np.abs(written.astype(int) - image).mean() < 6
    annotations = [entry for entry in json.loads(made.val_annotations.read_text())['annotations']
                   if entry['image_id'] == 2]
    assert [np.reshape(entry['keypoints'], (17, 3)).tolist() for entry in annotations] == [
        person.keypoints.tolist() for person in people]


def test_same_bytes_for_the_same_arguments_whatever_the_workers(made, tmp_path):
    again = make_people(tmp_path / 'again', **SMALL, workers=2)
    assert content(again.root) == content(made.root)


@pytest.mark.parametrize('change', (dict(seed=4), dict(max_people=1), dict(size_wh=(122, 98)), dict(num_val=3)))
def test_every_argument_changes_the_data(made, tmp_path, change):
    other = make_people(tmp_path / 'other', **{**SMALL, **change})
    assert content(other.root) != content(made.root)


def test_splits_and_pictures_differ(made):
    pictures = [data for name, data in content(made.root).items() if name.endswith('.jpg')]
    assert len(set(pictures)) == 6


def test_a_whole_data_set_is_reused_and_a_damaged_one_made_anew(tmp_path):
    first = make_people(tmp_path, **SMALL)
    expected = content(tmp_path)
    stamp = first.train_annotations.stat().st_mtime_ns
    again = make_people(tmp_path, **SMALL)
    assert again.reused and again.train_annotations.stat().st_mtime_ns == stamp
    (first.val_images / '000000000002.jpg').unlink()
    assert not make_people(tmp_path, **SMALL).reused
    first.train_annotations.write_text('{"info"')
    assert not make_people(tmp_path, **SMALL).reused
    assert content(tmp_path) == expected


def test_other_arguments_replace_our_data_set(tmp_path):
    make_people(tmp_path, **SMALL)
    fewer = make_people(tmp_path, **{**SMALL, 'num_train': 1})
    assert [path.name for path in fewer.train_images.iterdir()] == ['000000000001.jpg']
    assert len(COCO(str(fewer.train_annotations)).imgs) == 1


def test_foreign_files_are_refused_and_never_removed(tmp_path):
    (tmp_path / 'train').mkdir()
    foreign = tmp_path / 'train' / '000000000099.jpg'
    foreign.write_text('mine')
    with pytest.raises(FileExistsError, match=r"out='.*' holds files .* Give an empty .* overwrite=True"):
        make_people(tmp_path, **SMALL)
    assert list(content(tmp_path)) == ['train/000000000099.jpg']
    make_people(tmp_path, **SMALL, overwrite=True)
    make_people(tmp_path, **{**SMALL, 'seed': 8})
    assert foreign.read_text() == 'mine'
    with pytest.raises(FileExistsError, match='is a file'):
        make_people(foreign, **SMALL)


def test_workers_where_there_can_be_no_processes(made, tmp_path, monkeypatch):
    monkeypatch.setattr('rsn_mm.synthetic.dataset.no_processes', lambda: '/dev/shm: [Errno 30] Read-only file system')
    monkeypatch.setattr('multiprocessing.get_context', None)
    again = make_people(tmp_path / 'again', **SMALL, workers=2)
    assert again.train_annotations.read_bytes() == made.train_annotations.read_bytes()


def test_an_interrupted_run_is_not_taken_for_a_whole_one(tmp_path, monkeypatch):
    make_people(tmp_path, **SMALL)
    draw = dataset.draw_picture

    def fail_late(split, index, *arguments):
        if (split, index) == ('val', 1):
            raise KeyboardInterrupt
        return draw(split, index, *arguments)

    monkeypatch.setattr(dataset, 'draw_picture', fail_late)
    with pytest.raises(KeyboardInterrupt):
        make_people(tmp_path, **{**SMALL, 'seed': 4})
    assert not list((tmp_path / 'annotations').iterdir())
    monkeypatch.undo()
    assert not make_people(tmp_path, **SMALL).reused


@pytest.mark.parametrize('change, error, message', (
    (dict(num_train=0), ValueError, r'num_train=0 is out of range\. Give an integer of at least 1'),
    (dict(num_val=-1), ValueError, 'num_val=-1'),
    (dict(seed=-1), ValueError, 'seed=-1.*at least 0'),
    (dict(seed=1.5), TypeError, 'seed=1.5 is a float'),
    (dict(num_train=True), TypeError, 'num_train=True is a bool'),
    (dict(max_people=9), ValueError, 'max_people=9.*from 1 to 8'),
    (dict(workers=0), ValueError, 'workers=0'),
    (dict(size_wh=(320, 95)), ValueError, 'size_wh height=95.*from 96 to 2048'),
    (dict(size_wh=320), ValueError, 'size_wh=320 is not a pair'),
    (dict(size_wh=(320.0, 256)), TypeError, 'size_wh width=320.0 is a float')))
def test_wrong_arguments_are_named_before_anything_is_written(tmp_path, change, error, message):
    with pytest.raises(error, match=message):
        make_people(tmp_path / 'out', **{**SMALL, **change})
    assert not (tmp_path / 'out').exists()


def test_numpy_integers_are_taken_and_the_bar_stays_off_a_terminal(tmp_path, capfd):
    make_people(tmp_path, np.int64(1), np.int64(1), np.int64(0), size_wh=(np.int64(96), np.int64(96)), progress=True)
    assert capfd.readouterr() == ('', '')


def run_tool(monkeypatch, *arguments):
    spec = importlib.util.spec_from_file_location('make_people_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, 'argv', ['make_people.py', *map(str, arguments)])
    module.main()


def test_tool_makes_what_the_function_makes(made, tmp_path, monkeypatch, capsys):
    options = ('--train', 4, '--val', 2, '--seed', 3, '--size', 120, 96)
    run_tool(monkeypatch, tmp_path, *options)
    assert content(tmp_path) == content(made.root)
    assert capsys.readouterr().out.startswith('made 4 + 2 pictures')
    run_tool(monkeypatch, tmp_path, *options)
    assert capsys.readouterr().out.startswith('found')
    run_tool(monkeypatch, tmp_path, *options, '--quiet')
    assert capsys.readouterr().out == ''
    with pytest.raises(SystemExit, match='make_people: num_train=0'):
        run_tool(monkeypatch, tmp_path, '--train', 0)
