"""MPII: crop, PCKh by the stock evaluator, and the server's file, all on a small synthetic data set."""
import json
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Tuple

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.runner import Runner
from scipy.io import loadmat, savemat

from rsn_mm import registry
from rsn_mm.evaluation.mpii import mpii_results, read_server_images, server_annotations, write_mpii_results

from .. import warm

ROOT = Path(__file__).parents[2]
NUM_PERSONS = 6


def struct(**fields: List[Any]) -> np.ndarray:
    """MATLAB's struct array, (1, N), from the values of each field."""
    array = np.empty((1, len(next(iter(fields.values())))), dtype=[(name, object) for name in fields])
    for name, values in fields.items():
        for i, value in enumerate(values):
            array[name][0, i] = value
    return array


EMPTY = np.zeros((0, 0))


@pytest.fixture
def release(tmp_path) -> Path:
    """RELEASE as MPII ships it: images to train on between those to test on, empty fields where nothing is annotated."""
    position = [dict(x=float(50 + 10 * i), y=float(60 + i)) for i in range(4)]
    rects = [
        struct(objpos=[position[0], position[1]], scale=[1., .5]),  # 0: the second alone counts
        struct(objpos=[position[2]], scale=[1.]),  # 1: for training
        EMPTY,  # 2: nobody
        struct(x1=[1.], y1=[2.]),  # 3: a head, but no position
        struct(objpos=[EMPTY, position[3], position[0]], scale=[EMPTY, .6, .7]),  # 4: two count, one of those named has none
    ]
    single = np.empty((5, 1), dtype=object)
    single[:, 0] = [np.array([[2.]]), np.array([[1.]]), EMPTY, np.array([[1.]]), np.array([[1.], [2.], [3.]])]
    images = [dict(name=f'{i:09d}.jpg') for i in range(5)]
    path = tmp_path / 'mpii_human_pose_v1_u12_1.mat'
    savemat(path, dict(RELEASE=dict(annolist=struct(image=images, annorect=rects), single_person=single,
                                    img_train=np.array([[0, 1, 0, 0, 0]]))))
    return path


def flattened(pred: np.ndarray, single: List[List[int]]) -> List[Tuple[str, np.ndarray]]:
    """What MPII's evaluatePCKh.m makes of ``pred``: image and joints (16, 2), by id, of scored persons with a position."""
    found = []
    for image, named in zip(pred.ravel(), single, strict=True):
        annorect = image['annorect']
        for r, rect in enumerate(annorect.ravel() if annorect.dtype.names else []):
            if rect['objpos'].size and r + 1 in named:
                joints = np.full((16, 2), np.nan)
                for point in rect['annopoints'].ravel()[0]['point'].ravel():
                    joints[int(point['id'].item())] = point['x'].item(), point['y'].item()
                found.append((str(image['image'].ravel()[0]['name'].item()), joints))
    return found


SINGLE = [[2], [], [1], [1, 2, 3]]  # of the test images


class TestServerFile:

    def test_who_is_scored(self, release):
        images = read_server_images(release)
        assert [image.name for image in images] == ['000000000.jpg', '000000002.jpg', '000000003.jpg', '000000004.jpg']
        assert [image.scored for image in images] == [[1], [], [], [1, 2]]
        assert [len(image.rects) for image in images] == [2, 0, 1, 3]

    def test_read_back_as_the_server_does(self, release, tmp_path):
        images = read_server_images(release)
        joints = np.random.default_rng(0).uniform(0, 500, (3, 16, 2))
        path = tmp_path / 'new' / 'pred_keypoints_mpii.mat'
        write_mpii_results(path, images, joints)
        pred = loadmat(path)['pred']
        assert pred.shape == (1, 4) and pred.dtype.names == ('image', 'annorect')
        found = flattened(pred, SINGLE)
        assert [name for name, _ in found] == ['000000000.jpg', '000000004.jpg', '000000004.jpg']
        np.testing.assert_allclose([own for _, own in found], joints + 1)  # MATLAB counts pixels from 1

    def test_persons_keep_their_places(self, release, tmp_path):
        write_mpii_results(tmp_path / 'pred.mat', read_server_images(release), np.zeros((3, 16, 2)))
        pred = loadmat(tmp_path / 'pred.mat', simplify_cells=True)['pred']
        last = pred[3]['annorect']
        assert [np.size(rect['annopoints']) > 0 for rect in last] == [False, True, True]
        assert (last[1]['objpos'], last[1]['scale']) == (dict(x=80., y=63.), .6)
        points = last[1]['annopoints']['point']
        assert [point['id'] for point in points] == list(range(16)) and set(points[0]) == {'x', 'y', 'id'}

    @pytest.mark.parametrize('shape', [(2, 16, 2), (4, 16, 2), (3, 14, 2), (3, 16, 3), (0, )])
    def test_other_persons_write_nothing(self, release, tmp_path, shape):
        with pytest.raises(ValueError, match=r'joints has shape .* scores 3 persons of 16 joints: \(3, 16, 2\)'):
            write_mpii_results(tmp_path / 'pred.mat', read_server_images(release), np.zeros(shape))
        assert not (tmp_path / 'pred.mat').exists()

    def test_not_finite(self, release, tmp_path):
        with pytest.raises(ValueError, match='not finite'):
            write_mpii_results(tmp_path / 'pred.mat', read_server_images(release), np.full((3, 16, 2), np.nan))
        assert not (tmp_path / 'pred.mat').exists()

    def test_other_annotation_files(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='mpii_human_pose_v1_u12_2.zip'):
            read_server_images(tmp_path / 'none.mat')
        savemat(tmp_path / 'other.mat', dict(headboxes_src=np.zeros((2, 2, 1))))
        with pytest.raises(ValueError, match='is not the annotation file of MPII'):
            read_server_images(tmp_path / 'other.mat')
        (tmp_path / 'text.mat').write_text('no MATLAB at all')
        with pytest.raises(ValueError, match='is not the annotation file of MPII'):
            read_server_images(tmp_path / 'text.mat')

    def test_annotations_for_mmpose(self, release):
        persons = server_annotations(read_server_images(release))
        assert [(p['image'], p['center'], p['scale']) for p in persons] == [
            ('000000000.jpg', [60., 61.], .5), ('000000004.jpg', [80., 63.], .6), ('000000004.jpg', [50., 60.], .7)]


@pytest.fixture
def mpii(tmp_path, monkeypatch) -> Config:
    """The config of RSN-18 on MPII with a tiny model, and a data set of NUM_PERSONS persons of 16 joints with head boxes."""
    rng = np.random.default_rng(0)
    root = tmp_path / 'mpii'
    (root / 'images').mkdir(parents=True)
    (root / 'annotations').mkdir()
    persons, heads = [], np.zeros((2, 2, NUM_PERSONS))
    for i in range(NUM_PERSONS):
        cv2.imwrite(str(root / 'images' / f'{i:09d}.jpg'), rng.integers(0, 256, (160, 200, 3), dtype=np.uint8))
        joints = rng.uniform(40, 120, (16, 2))
        heads[:, :, i] = [[60., 60.], [60. + 3 * (i + 5), 60. + 4 * (i + 5)]]  # diagonal 5 (i + 5)
        persons.append(dict(image=f'{i:09d}.jpg', center=[100., 80.], scale=.5, joints=joints.tolist(),
                            joints_vis=(rng.random(16) < .8).astype(int).tolist()))
    for split in ('train', 'val'):
        (root / 'annotations' / f'mpii_{split}.json').write_text(json.dumps(persons))
    savemat(root / 'annotations' / 'mpii_gt_val.mat', dict(headboxes_src=heads))
    monkeypatch.setenv('MPII_ROOT', f'{root}/')
    config = Config.fromfile(ROOT / 'configs' / 'rsn18_mpii_256x256.py')
    config.merge_from_dict({
        'work_dir': str(tmp_path / 'work'), 'experiment_name': f'mpii_{tmp_path.name}',
        'test_dataloader': dict(batch_size=4, num_workers=0, persistent_workers=False),
        'model.backbone': dict(num_blocks=[1, 1, 1, 1], stem_channels=8, unit_channels=16),
        'model.head': dict(in_channels=16)})
    return config


@pytest.fixture
def checkpoint(mpii, tmp_path) -> str:
    with DefaultScope.overwrite_default_scope('mmengine'):
        init_default_scope('rsn_mm')
        model = registry.MODELS.build(mpii.model)
        model.init_weights()
    torch.save(dict(meta={}, state_dict=model.state_dict()), tmp_path / 'tiny.pth')
    return str(tmp_path / 'tiny.pth')


def evaluated(config: Config, offset: np.ndarray) -> Dict[str, float]:
    """PCKh of predictions that lie ``offset`` (N, 16, 2) px off the truth, by the config's own test evaluator."""
    dataset = registry.DATASETS.build(config.test_dataloader.dataset)
    metric = registry.METRICS.build(config.test_evaluator)
    metric.dataset_meta = dataset.metainfo
    for i in range(len(dataset)):
        sample = dataset[i]['data_samples']
        truth = sample.gt_instances.keypoints
        sample = sample.to_dict()
        sample['pred_instances'] = dict(keypoints=truth - 1 + offset[i])  # MpiiPCKAccuracy counts from 1, predictions from 0
        metric.process({}, [sample])
    return metric.evaluate(len(dataset))


class TestPCKh:

    def test_perfect(self, mpii, scope):
        scope('rsn_mm')
        metrics = evaluated(mpii, np.zeros((NUM_PERSONS, 16, 2)))
        assert metrics['PCK'] == pytest.approx(100) and metrics['PCK@0.1'] == pytest.approx(100)

    def test_half_of_the_head_is_the_limit(self, mpii, scope):
        """A joint counts within half of 0.6 x the diagonal of the head box; pelvis and thorax (6, 7) do not count."""
        scope('rsn_mm')
        heads = .6 * 5 * (np.arange(NUM_PERSONS) + 5)
        rng = np.random.default_rng(1)
        share = rng.uniform(.1, .9, (NUM_PERSONS, 16))
        angle = rng.uniform(0, 2 * np.pi, share.shape)
        offset = (share * heads[:, None])[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        persons = json.loads(Path(mpii.test_dataloader.dataset.data_root, 'annotations/mpii_val.json').read_text())
        visible = np.array([person['joints_vis'] for person in persons], dtype=bool)
        counted = np.delete(visible, [6, 7], axis=1)
        expected = 100 * (np.delete(share, [6, 7], axis=1) <= .5)[counted].mean()
        assert evaluated(mpii, offset)['PCK'] == pytest.approx(expected, abs=1e-3)

    def test_crop_is_the_authors(self, mpii, scope):
        """A square of 200 px x scale x 1.25 around the centre, 15 px x scale below the annotated one."""
        scope('rsn_mm')
        sample = registry.DATASETS.build(mpii.test_dataloader.dataset)[0]['data_samples']
        np.testing.assert_allclose(sample.input_scale, [125, 125])
        np.testing.assert_allclose(sample.input_center, [99, 80 + 15 * .5 - 1])
        assert mpii.model.head.decoder.blur_kernel_size == 9

    def test_the_runner_tests(self, mpii, checkpoint):
        mpii.load_from = checkpoint
        metrics = Runner.from_cfg(mpii).test()
        assert {'PCK', 'PCK@0.1', 'Head PCK', 'Ankle PCK'} <= set(metrics) and 0 <= metrics['PCK'] <= 100


class TestFromModelToServer:

    def test_one_model_and_twice_the_same(self, mpii, checkpoint, release, tmp_path):
        once = mpii_results([(mpii, checkpoint)], release, tmp_path / 'once.mat')
        twice = mpii_results([(mpii, checkpoint)] * 2, release, tmp_path / 'twice.mat', batch_size=2)
        assert once.shape == (3, 16, 2)
        np.testing.assert_allclose(twice, once, atol=1e-3)
        found = flattened(loadmat(tmp_path / 'once.mat')['pred'], SINGLE)
        np.testing.assert_allclose([own for _, own in found], once + 1)
        # Each in the crop around its own position.
        centers = np.array([[60., 61.], [80., 63.], [50., 60.]])
        assert (np.abs(once - centers[:, None]).max(axis=(1, 2)) < [80, 95, 110]).all()

    def test_a_missing_image_writes_nothing(self, mpii, checkpoint, release, tmp_path):
        (Path(mpii.test_dataloader.dataset.data_root) / 'images' / '000000004.jpg').unlink()
        with pytest.raises(OSError, match=r'000000004\.jpg'):
            mpii_results([(mpii, checkpoint)], release, tmp_path / 'pred.mat')
        assert not (tmp_path / 'pred.mat').exists()

    def test_tool(self, mpii, checkpoint, release, tmp_path):
        config, out = tmp_path / 'tiny.py', tmp_path / 'pred_keypoints_mpii.mat'
        mpii.dump(config)
        run = subprocess.run([warm.python(), str(ROOT / 'tools' / 'mpii_results.py'), '--model', str(config), checkpoint,
                              '--annotations', str(release), '--out', str(out), '--device', 'cpu'],
                             capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        assert len(flattened(loadmat(out)['pred'], SINGLE)) == 3
