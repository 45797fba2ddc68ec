"""MMPose's own top-down demo: a detector of MMDetection without compiled ops, then our pose model."""
import importlib
import importlib.util
import json
import os
import subprocess
from argparse import Namespace
from pathlib import Path
from typing import Any, Dict, List

import cv2
import mmpose
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

import rsn_mm
from rsn_mm.compat.ops import ext
from rsn_mm.registry import MODELS
from rsn_mm.run import find_script
from rsn_mm.synthetic import PeopleDataset

from .. import warm

CHECKOUT = Path(__file__).parents[2]
DEMO = 'demo/topdown_demo_with_mmdet.py'
# A detector for persons that MMPose ships a config of for its demo.
DETECTOR = Path(mmpose.__file__).parent / '.mim' / 'demo' / 'mmdetection_cfg' / 'rtmdet_nano_320-8xb32_coco-person.py'
BOX_THRESHOLD, NMS_THRESHOLD = 0.5, 0.1
pytestmark = pytest.mark.filterwarnings('ignore')


def _load_script():
    path = CHECKOUT / 'tests' / 'data' / 'make_detector_reference.py'
    spec = importlib.util.spec_from_file_location('make_detector_reference', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def demo(tiny_config: Config, people: PeopleDataset, tmp_path: Path) -> Namespace:
    """What the demo is given: picture, and config and checkpoint of both networks, untrained."""
    from mmdet.apis import init_detector
    script = _load_script()
    picture = sorted(people.val_images.glob('*.jpg'))[0]

    detector = init_detector(str(DETECTOR), device='cpu')
    weights = (('rtm_cls', 1., 0.), *script.DETECTORS['rtmdet'].weights)  # about half of all boxes score above 0.5
    script.set_weights(detector, weights, cv2.imread(str(picture))[:192, :192])
    torch.save(dict(meta=dict(dataset_meta=dict(classes=('person', ))), state_dict=detector.state_dict()), tmp_path / 'det.pth')

    init_default_scope('rsn_mm')
    pose_estimator = MODELS.build(tiny_config.model)
    pose_estimator.init_weights()
    torch.save(dict(meta={}, state_dict=pose_estimator.state_dict()), tmp_path / 'pose.pth')
    tiny_config.dump(tmp_path / 'pose.py')
    return Namespace(picture=str(picture), det_config=str(DETECTOR), det_weights=str(tmp_path / 'det.pth'),
                     pose_config=str(tmp_path / 'pose.py'), pose_weights=str(tmp_path / 'pose.pth'))


def predict_step_by_step(demo: Namespace) -> List[Dict[str, Any]]:
    """Box and keypoints of each person, by the functions that the demo calls."""
    from mmdet.apis import inference_detector, init_detector
    from mmpose.apis import inference_topdown, init_model
    from mmpose.evaluation.functional import nms
    from mmpose.structures import merge_data_samples, split_instances
    from mmpose.utils import adapt_mmdet_pipeline
    detector = init_detector(demo.det_config, demo.det_weights, device='cpu')
    detector.cfg = adapt_mmdet_pipeline(detector.cfg)
    pose_estimator = init_model(demo.pose_config, demo.pose_weights, device='cpu')
    found = inference_detector(detector, demo.picture).pred_instances.numpy()
    boxes = np.hstack((found.bboxes, found.scores[:, None]))[(found.labels == 0) & (found.scores > BOX_THRESHOLD)]
    boxes = boxes[nms(boxes, NMS_THRESHOLD), :4]
    return split_instances(merge_data_samples(inference_topdown(pose_estimator, demo.picture, boxes)).pred_instances)


def run_demo_script(demo: Namespace, out: Path) -> List[Dict[str, Any]]:
    """The same from the script, in a process of its own."""
    command = [warm.python(), '-W', 'ignore', '-m', 'rsn_mm.run', DEMO, demo.det_config, demo.det_weights, demo.pose_config,
               demo.pose_weights, '--input', demo.picture, '--output-root', str(out), '--save-predictions', '--draw-bbox',
               '--device', 'cpu', '--bbox-thr', str(BOX_THRESHOLD), '--nms-thr', str(NMS_THRESHOLD)]
    environment = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(Path(rsn_mm.__file__).parents[1]))
    done = subprocess.run(command, cwd=out.parent, env=environment, text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((out / f'results_{Path(demo.picture).stem}.json').read_text())['instance_info']


def run_inferencer(demo: Namespace, out: Path) -> List[Dict[str, Any]]:
    """The same from MMPoseInferencer."""
    from mmpose.apis import MMPoseInferencer
    inferencer = MMPoseInferencer(pose2d=demo.pose_config, pose2d_weights=demo.pose_weights, det_model=demo.det_config,
                                  det_weights=demo.det_weights, det_cat_ids=[0], device='cpu')
    results = inferencer(demo.picture, bbox_thr=BOX_THRESHOLD, nms_thr=NMS_THRESHOLD, vis_out_dir=str(out), draw_bbox=True)
    return next(results)['predictions'][0]


def test_script_functions_and_inferencer_find_the_same_people(demo: Namespace, tmp_path: Path) -> None:
    expected = predict_step_by_step(demo)
    assert len(expected) >= 3
    for name, predict in {'script': run_demo_script, 'inferencer': run_inferencer}.items():
        people = predict(demo, tmp_path / name)
        assert len(people) == len(expected), name
        for person, other in zip(people, expected):
            for key in ('bbox', 'keypoints', 'keypoint_scores'):
                np.testing.assert_allclose(person[key], other[key], rtol=0, atol=1e-3, err_msg=f'{key} of the {name}')
        drawn = cv2.imread(str(tmp_path / name / Path(demo.picture).name))
        before = cv2.imread(demo.picture)
        assert drawn.shape == before.shape and (np.abs(drawn.astype(int) - before).max(axis=2) > 60).sum() > 100, name


def test_the_detector_runs_on_the_adapters() -> None:
    ops = importlib.import_module('mmcv.ops.nms')
    assert (ops.ext_module is ext) == ('mmcv_ops' in rsn_mm.compat.active())


class TestRun:

    def test_a_file_comes_before_what_mmpose_installs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert find_script(DEMO) == (Path(mmpose.__file__).parent / '.mim' / DEMO).resolve()
        (tmp_path / 'demo').mkdir()
        (tmp_path / DEMO).touch()
        assert find_script(DEMO) == (tmp_path / DEMO).resolve()

    def test_a_script_that_does_not_exist(self) -> None:
        with pytest.raises(FileNotFoundError, match=r"SCRIPT='demo/none.py' is neither .*\.mim.*Give the path"):
            find_script('demo/none.py')
