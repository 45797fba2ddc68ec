"""Pictures of a small model: what they are made of, that they are written whole, and what is refused."""
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from rsn_mm import registry
from rsn_mm.analysis.inspection import check_box, inspect_image, load_model
from rsn_mm.analysis.pictures import _in_crop, analyze

from .. import warm

ROOT = Path(__file__).parents[2]
PEOPLE = [(5., 8., 60., 90.), (50., 10., 95., 110.)]


@pytest.fixture
def image(tmp_path) -> Path:
    path = tmp_path / 'people.png'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (120, 100, 3), dtype=np.uint8))
    return path


@pytest.fixture
def files(tmp_path, scope):
    """A config of a small model, and random weights of it."""

    def make(name: str = 'rsn_people_128x96', **model: dict) -> tuple:
        cfg = Config.fromfile(ROOT / 'configs' / f'{name}.py')
        for part, changes in model.items():
            cfg.model[part].update(changes)
        scope('rsn_mm')
        torch.manual_seed(0)
        config, checkpoint = tmp_path / 'config.py', tmp_path / 'weights.pth'
        cfg.dump(config)
        torch.save(dict(state_dict=registry.MODELS.build(cfg.model).state_dict()), checkpoint)
        return config, str(checkpoint)

    return make


def test_inspection_has_what_the_network_saw(files, image):
    model = load_model(*files())
    seen = inspect_image(model, image, PEOPLE)
    assert seen.image.shape == (120, 100, 3) and seen.image.dtype == np.uint8
    assert seen.crops.shape == (2, 128, 96, 3) and seen.crops.dtype == np.uint8
    assert seen.features.shape == (2, 4, 3) and seen.level == 4
    assert seen.heatmaps.shape == (2, 17, 32, 24)
    assert (seen.features.min(), seen.features.max()) == (0, 1)
    assert len(seen.samples) == 2
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_crop_is_the_image_in_its_colours(files, tmp_path):
    """Normalisation and channel order are undone: an image of one colour has crops of that colour."""
    path = tmp_path / 'orange.png'
    cv2.imwrite(str(path), np.full((120, 100, 3), (10, 100, 250), np.uint8))  # OpenCV's order: BGR
    seen = inspect_image(load_model(*files()), path, [(20, 20, 60, 70)])
    assert (seen.image == (250, 100, 10)).all()
    np.testing.assert_allclose(seen.crops[0, 40:90, 30:60], np.broadcast_to((250, 100, 10), (50, 30, 3)), atol=1)


def test_the_mirror_image_of_the_flip_test_is_not_shown(files, image):
    config, checkpoint = files()
    seen = {}
    for flip in (False, True):
        model = load_model(config, checkpoint)
        model.test_cfg['flip_test'] = flip
        seen[flip] = inspect_image(model, image, PEOPLE)
    np.testing.assert_array_equal(seen[True].crops, seen[False].crops)
    np.testing.assert_allclose(seen[True].features, seen[False].features, atol=1e-5)
    assert np.abs(seen[True].heatmaps - seen[False].heatmaps).max() > 1e-3


def test_without_boxes_the_image_is_one_box(files, image):
    seen = inspect_image(load_model(*files()), image)
    assert seen.boxes.tolist() == [[0, 0, 100, 120]] and len(seen.samples) == 1


def test_joints_in_the_crop(files, image):
    """Joints that MMPose takes from the crop (96 x 128) to the image come back to where they were."""
    sample = inspect_image(load_model(*files()), image, PEOPLE[:1]).samples[0]
    scale, center = sample.metainfo['input_scale'], sample.metainfo['input_center']
    sample.pred_instances.keypoints = (center + scale * ([[0, 0], [1, 1], [.25, .75]] - np.array(.5)))[None]
    np.testing.assert_allclose(_in_crop(sample, (96, 128)), [[0, 0], [96, 128], [24, 96]], atol=1e-3)


@pytest.mark.parametrize('boxes', [None, PEOPLE, PEOPLE * 5])
def test_writes_whole_pictures(files, image, tmp_path, boxes):
    model = load_model(*files())
    out = tmp_path / 'new' / 'folder'
    written = analyze(model, dict(people=inspect_image(model, image, boxes)), out)
    assert sorted(path.name for path in out.iterdir()) == ['features_people.png', 'poses.png', 'weights.png']
    assert sorted(written) == sorted(out.iterdir())
    for path in written:
        picture = cv2.imread(str(path))
        assert picture is not None and picture.std() > 5


def test_simcc(files, image, tmp_path):
    """Another head on the encoder: SimCC makes heatmaps of its two axes."""
    model = load_model(*files('simcc_rsnencoder50_coco_256x192',
                              backbone=dict(num_blocks=[1, 1, 1, 1], stem_channels=8), head=dict(in_channels=64)))
    seen = inspect_image(model, image, PEOPLE)
    assert seen.features.shape == (2, 8, 6)
    assert len(analyze(model, dict(people=seen), tmp_path / 'out')) == 3


class TestErrors:

    @pytest.mark.parametrize('box, message', [
        ((10, 10, 10, 50), 'empty'), ((50, 10, 20, 50), 'empty'), ((10, 50, 20, 20), 'empty'),
        ((100, 10, 150, 50), 'outside the image of 100 x 120'), ((-50, 10, 0, 50), 'outside'),
        ((10, 120, 50, 150), 'outside'), ((10, -50, 50, 0), 'outside'),
        ((10, 10, float('nan'), 50), 'four numbers'), ((10, 10, 50), 'four numbers')])
    def test_boxes(self, box, message):
        with pytest.raises(ValueError, match=message):
            check_box(box, (100, 120))

    @pytest.mark.parametrize('box', [(0, 0, 100, 120), (-5, -5, 105, 125), (99, 119, 150, 150)])
    def test_boxes_that_meet_the_image(self, box):
        check_box(box, (100, 120))

    def test_missing_files(self, tmp_path, files, image):
        config, checkpoint = files()
        with pytest.raises(FileNotFoundError, match="config='.*no.py' does not exist"):
            load_model(tmp_path / 'no.py', checkpoint)
        with pytest.raises(FileNotFoundError, match="checkpoint='no.pth' does not exist"):
            load_model(config, 'no.pth')
        model = load_model(config, checkpoint)
        with pytest.raises(FileNotFoundError, match="image='.*no.jpg' does not exist"):
            inspect_image(model, tmp_path / 'no.jpg')
        with pytest.raises(ValueError, match="image='.*config.py' cannot be read as an image"):
            inspect_image(model, config)

    @pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
    def test_missing_gpu(self, files):
        with pytest.raises(ValueError, match="device='cuda:0' is not there.*'cpu'"):
            load_model(*files(), device='cuda:0')

    def test_weights_of_another_model(self, files):
        config, checkpoint = files(backbone=dict(num_branches=3))
        cfg = Config.fromfile(config)
        cfg.model.backbone.num_branches = 4
        cfg.dump(config)
        with pytest.raises(ValueError, match='does not fit'):
            load_model(config, checkpoint)

    def test_a_failure_writes_nothing(self, tmp_path, files, image, monkeypatch):
        model = load_model(*files())
        seen = inspect_image(model, image)
        out = tmp_path / 'out'
        with pytest.raises(AttributeError):
            analyze(model, dict(people=seen, broken=None), out)
        assert not out.exists()


class TestTool:

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([warm.python(), '-W', 'ignore', str(ROOT / 'tools' / 'analyze.py'), *map(str, arguments)],
                              capture_output=True, text=True)

    def test_pictures_of_an_annotated_image(self, files, image, tmp_path, coco_file):
        annotations = Path(coco_file(tmp_path / 'coco.json'))
        annotations.write_text(annotations.read_text().replace('1.jpg', image.name))
        out = tmp_path / 'out'
        done = self.run(*files(), image, '--annotations', annotations, '--out', out)
        assert done.returncode == 0, done.stderr
        assert sorted(done.stdout.splitlines()[-3:]) == sorted(map(str, out.iterdir()))

    def test_one_clear_error(self, files, image, tmp_path):
        out = tmp_path / 'out'
        failed = self.run(*files(), image, '--boxes', '500,10,600,50', '--out', out)
        assert failed.returncode == 1 and not out.exists()
        assert failed.stderr.splitlines()[-1].startswith('analyze: box (500.0, 10.0, 600.0, 50.0) lies outside')
        assert 'Traceback' not in failed.stderr
