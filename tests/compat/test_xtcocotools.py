"""pycocotools in the place of xtcocotools: the adapter, and stock MMPose on top of it."""
import importlib
import importlib.util
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rsn_mm  # noqa: F401, makes MMPose importable
from rsn_mm.compat import xtcocotools as adapter
from rsn_mm.compat.coco import mask
from rsn_mm.compat.coco.coco import COCO
from rsn_mm.compat.coco.cocoeval import COCOeval

from .. import warm

NUM_KEYPOINTS = dict(coco=17, crowdpose=14, wholebody=133)
# Joints of each list that a whole-body annotation consists of.
WHOLEBODY_PARTS = dict(keypoints=17, foot_kpts=6, face_kpts=68, lefthand_kpts=21, righthand_kpts=21)
IMAGE_IDS = (0, 0, 1, 2)  # of the four persons
METRICS = [
    ('CocoMetric', 'coco', {}),
    ('CocoMetric', 'coco', dict(use_area=False)),
    ('CocoMetric', 'crowdpose', dict(iou_type='keypoints_crowd', use_area=False, prefix='crowdpose')),
    ('CocoWholeBodyMetric', 'wholebody', {}),
]


@pytest.fixture
def no_xtcocotools():
    """An interpreter in which xtcocotools was not imported yet; the modules of before come back afterwards."""
    before = dict(sys.modules)
    forget_xtcocotools()
    yield
    forget_xtcocotools()
    sys.modules.update({name: module for name, module in before.items() if name.partition('.')[0] == 'xtcocotools'})


def forget_xtcocotools():
    for name in [name for name in sys.modules if name.partition('.')[0] == 'xtcocotools']:
        del sys.modules[name]


@pytest.mark.usefixtures('no_xtcocotools')
class TestAdapter:

    @staticmethod
    def write_package(folder, broken=''):
        (folder / 'xtcocotools').mkdir()
        for name in ('__init__', 'coco', 'cocoeval', 'mask'):
            text = 'raise ValueError("numpy.dtype size changed")' if name == broken else ''
            (folder / 'xtcocotools' / f'{name}.py').write_text(text)

    def test_not_installed(self):
        sys.modules['xtcocotools'] = None
        assert adapter.missing() == 'xtcocotools is not installed'

    def test_works(self, tmp_path, monkeypatch):
        self.write_package(tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        assert adapter.missing() is None

    @pytest.mark.parametrize('broken', ['__init__', 'coco', 'cocoeval', 'mask'])
    def test_broken(self, broken, tmp_path, monkeypatch):
        self.write_package(tmp_path, broken)
        monkeypatch.syspath_prepend(tmp_path)
        assert adapter.missing() == 'xtcocotools does not import: numpy.dtype size changed'
        sys.modules['xtcocotools.left_over'] = object()
        adapter.install()
        assert adapter.missing() is None and 'xtcocotools.left_over' not in sys.modules
        assert importlib.import_module('xtcocotools.coco').COCO is COCO

    def test_dependency_of_it_not_installed(self, tmp_path, monkeypatch):
        self.write_package(tmp_path)
        (tmp_path / 'xtcocotools' / 'coco.py').write_text('import no_such_module')
        monkeypatch.syspath_prepend(tmp_path)
        assert adapter.missing() == "xtcocotools does not import: No module named 'no_such_module'"

    def test_installed_modules(self):
        adapter.install()
        import xtcocotools.mask as cocomask
        from xtcocotools.coco import COCO as installed_coco
        from xtcocotools.cocoeval import COCOeval as installed_eval
        assert (cocomask, installed_coco, installed_eval) == (mask, COCO, COCOeval)
        for name in ('xtcocotools', 'xtcocotools.coco', 'xtcocotools.cocoeval', 'xtcocotools.mask'):
            assert importlib.util.find_spec(name).loader is not None
        assert list(importlib.import_module('xtcocotools').__path__)

    def test_object_unpickles_in_another_process(self, tmp_path):
        """Worker processes that are spawned receive datasets, which hold their annotations."""
        adapter.install()
        from xtcocotools.coco import COCO as installed_coco
        file = tmp_path / 'coco.pkl'
        file.write_bytes(pickle.dumps(installed_coco(ann_data=dict(images=[dict(id=7)]))))
        program = f'import pickle; print(pickle.load(open({str(file)!r}, "rb")).getImgIds())'
        assert run_python(program).stdout.splitlines()[-1] == '[7]'

    def test_pycocotools_missing_too(self):
        program = ('import sys; sys.modules.update(xtcocotools=None, pycocotools=None)\n'
                   'from rsn_mm.compat import xtcocotools\nxtcocotools.install()')
        assert 'pip install pycocotools' in run_python(program).stderr


def run_python(program):
    root = str(Path(__file__).parents[2])
    program = f'import sys; sys.path.insert(0, {root!r})\n{program}'
    return subprocess.run([warm.python(), '-c', program], capture_output=True, text=True)


@pytest.fixture
def xtcocotools():
    """Some xtcocotools, even where RSN_MM_COMPAT switches the adapters off."""
    if adapter.missing():
        adapter.install()


@pytest.fixture
def poses():
    """Four persons on three images: (4, 133, 2) float64 in image pixels, each about 90 x 90."""
    random = np.random.RandomState(0)
    return random.uniform(0, 300, (4, 1, 2)) + random.uniform(0, 90, (4, 133, 2))


def annotation_file(folder, poses, kind):
    images = [dict(id=i, width=640, height=480, file_name=f'{i}.jpg', crowdIndex=i / 2) for i in range(3)]
    anns = []
    for i, pose in enumerate(poses):
        low, size = pose.min(axis=0), np.ptp(pose, axis=0)
        anns.append(dict(id=i, image_id=IMAGE_IDS[i], category_id=1, bbox=[*low, *size], area=float(np.prod(size)),
                         iscrowd=0, num_keypoints=NUM_KEYPOINTS[kind], **coco_lists(pose, kind)))
    file = folder / f'{kind}.json'
    file.write_text(json.dumps(dict(images=images, annotations=anns, categories=[dict(id=1, name='person')])))
    return str(file)


def coco_lists(pose, kind):
    joints = np.hstack([pose, np.full((len(pose), 1), 2.)])
    if kind != 'wholebody':
        return dict(keypoints=joints[:NUM_KEYPOINTS[kind]].reshape(-1).tolist())
    parts = np.split(joints, np.cumsum(list(WHOLEBODY_PARTS.values()))[:-1])
    return {name: part.reshape(-1).tolist() for name, part in zip(WHOLEBODY_PARTS, parts)}


def data_samples(poses, kind, found):
    """What a top-down model hands to the metric; without ``found``, an empty set of instances for each image."""
    count = NUM_KEYPOINTS[kind]
    for i, pose in enumerate(poses):
        keypoints = pose[None, :count] if found else np.zeros((0, count, 2))
        instances = dict(keypoints=keypoints, keypoint_scores=np.ones(keypoints.shape[:2]))
        yield dict(id=i, img_id=IMAGE_IDS[i], pred_instances=instances, gt_instances={})


def metric(name, ann_file, kind, **options):
    from mmengine.logging import MessageHub
    from mmpose.evaluation import metrics
    MessageHub._instance_dict.clear()  # there metrics look for an annotation file, and data sets of other tests leave theirs
    made = getattr(metrics, name)(ann_file=ann_file, **options)
    made.dataset_meta = dict(num_keypoints=NUM_KEYPOINTS[kind], sigmas=np.full(NUM_KEYPOINTS[kind], .05),
                             dataset_name=kind)
    return made


@pytest.mark.usefixtures('xtcocotools')
class TestMMPose:

    @pytest.mark.filterwarnings("ignore:'.*_score' not found")
    @pytest.mark.parametrize('found', [True, False])
    @pytest.mark.parametrize('name, kind, options', METRICS)
    def test_metric(self, name, kind, options, found, tmp_path, poses):
        tested = metric(name, annotation_file(tmp_path, poses, kind), kind, **options)
        tested.process([], data_samples(poses, kind, found))
        scores = tested.evaluate(size=len(poses))
        scores = {key.partition('/')[2]: value for key, value in scores.items()}
        assert len(scores) == (9 if kind == 'crowdpose' else 10)
        areas = np.prod(np.ptp(poses[:, :NUM_KEYPOINTS[kind]], axis=1), axis=-1)
        assert (areas < 96**2).all()  # all persons are medium, none is large
        without_ground_truth = {'AP (L)', 'AR (L)'} & set(scores)
        for key, value in scores.items():
            expected = -1 if key in without_ground_truth else float(found)
            assert value == pytest.approx(expected, abs=1e-9), key

    def test_metric_with_ground_truth_from_the_dataset(self, poses):
        """Without an annotation file, MMPose writes one from the samples."""
        tested = metric('CocoMetric', None, 'coco')
        tested.dataset_meta['CLASSES'] = [dict(id=1, name='person')]
        samples = list(data_samples(poses, 'coco', True))
        for sample, pose in zip(samples, poses):
            size = np.ptp(pose, axis=0)
            sample.update(ori_shape=(480, 640), raw_ann_info=dict(
                id=sample['id'], image_id=sample['img_id'], category_id=1, bbox=[*pose.min(axis=0), *size], iscrowd=0,
                area=float(np.prod(size)), **coco_lists(pose, 'coco')))
        tested.process([], samples)
        assert tested.evaluate(size=len(poses))['coco/AP'] == pytest.approx(1, abs=1e-9)

    def test_dataset(self, tmp_path, poses):
        from mmpose.datasets.datasets.body import CocoDataset
        dataset = CocoDataset(ann_file=annotation_file(tmp_path, poses, 'coco'), data_prefix=dict(img=''))
        assert len(dataset) == 4
        np.testing.assert_allclose(dataset.get_data_info(3)['keypoints'][0], poses[3, :17], rtol=1e-6)
