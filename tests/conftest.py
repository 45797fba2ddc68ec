"""Fixtures that more than one test file uses."""
import importlib.util
import json
import os
import signal
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Iterator, List, Optional, Sequence, Union

# A GPU adds in no fixed order, and has no room for two processes: tests that want one say so. Before torch looks for it.
os.environ.setdefault('CUDA_VISIBLE_DEVICES', '')
# The nets here are too small for two threads, which would wait for each other most of the time; also in processes of tests.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import numpy as np
import pytest
import torch

import rsn_mm  # noqa: F401  makes mmpose importable

# After rsn_mm, which makes the stack importable.
from mmengine.registry import DefaultScope, init_default_scope  # isort: skip
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs  # isort: skip
from rsn_mm import registry  # isort: skip
from rsn_mm.transforms import LoadVisibility  # isort: skip

torch.set_num_threads(1)

# Files of few tests that take long. They come first, so that no process is left alone with one of them at the end.
LONG = ('test_distributed.py', 'test_commands.py', 'test_accuracy.py', 'test_notebook.py', 'test_restart.py',
        'test_machines.py')


def pytest_collection_modifyitems(items: List[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def load_script(path: Path) -> ModuleType:
    """A file that is no part of a package, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hears_ctrl_c() -> None:
    """``preexec_fn`` of a process that is to be interrupted: a shell's background jobs, and all below them, ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Downloads lie in a folder of the test, and real addresses lead to a port of this machine where nobody listens."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path_factory.getbasetemp() / 'torch_home'))
    monkeypatch.setenv('RSN_MM_MIRROR', 'http://127.0.0.1:9')


@pytest.fixture
def loopback() -> Iterator[Callable[[dict], Any]]:
    """Call it with answers by path for a server on this machine; see ``loopback.py``."""
    servers: List[Any] = []

    def start(answers: dict) -> Any:
        servers.append(load_script(Path(__file__).parent / 'loopback.py').Loopback(answers))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def fresh_scope() -> None:
    """Leave no default scope of one test to the next."""
    DefaultScope._instance_dict.clear()


@pytest.fixture
def scope():
    """Call it to name the default scope for the rest of a test, as ``default_scope`` in a config does."""
    with DefaultScope.overwrite_default_scope('mmengine'):
        yield init_default_scope


@pytest.fixture(scope='session')
def config_dir() -> Path:
    return Path(__file__).parent.parent / 'configs'


@pytest.fixture(scope='session')
def codec_cfg() -> Callable[..., dict]:
    """Config of our codec at 64x64 px, with what is given in place."""

    def make(**kwargs: Any) -> dict:
        return dict(dict(type='rsn_mm.QuarterOffsetHeatmap', input_size=(64, 64), heatmap_size=(16, 16), kernel_size=5),
                    **kwargs)

    return make


@pytest.fixture(scope='session')
def make_samples() -> Callable[..., List[Any]]:
    """Data samples as MMPose's pipeline makes them from joints: GenerateTarget, LoadVisibility, PackPoseInputs."""

    def make(encoder: Union[dict, Sequence[dict]],
             batch_size: int = 2,
             num_keypoints: int = 17,
             flags: Optional[np.ndarray] = None,
             input_size: Sequence[int] = (64, 64)) -> List[Any]:
        """``flags``: COCO's (B, K) of 0, 1, 2; all 2 if not given. Several encoders make a multilevel target."""
        rng = np.random.default_rng(0)
        flags = np.full((batch_size, num_keypoints), 2.) if flags is None else np.asarray(flags, dtype=float)
        steps = [
            GenerateTarget(encoder=encoder, multilevel=not isinstance(encoder, dict)),
            LoadVisibility(),
            PackPoseInputs()
        ]
        samples = []
        for row in flags:
            joints = rng.uniform(0, np.array(input_size) - 1, (1, num_keypoints, 2)).astype(np.float32)
            results = dict(
                img=np.zeros((input_size[1], input_size[0], 3), np.uint8),
                img_shape=(input_size[1], input_size[0]),
                input_size=tuple(input_size),
                input_center=np.array(input_size) / 2.,
                input_scale=np.array(input_size, dtype=float),
                bbox=np.array([[0., 0., *input_size]]),
                bbox_score=np.ones(1),
                flip_indices=list(range(num_keypoints))[::-1],
                keypoints=joints,
                keypoints_visible=np.minimum(row, 1)[None].astype(np.float32),
                raw_ann_info=dict(keypoints=np.column_stack([joints[0], row]).ravel().tolist()))
            for step in steps:
                results = step(results)
            samples.append(results['data_samples'])
        return samples

    return make


@pytest.fixture
def make_estimator() -> Callable[..., Any]:
    """A whole pose estimator of 2 units and 5 joints at 64x64 px, small enough to train in a test."""

    def make(backbone: Optional[dict] = None, head: Optional[dict] = None, **kwargs: Any) -> Any:
        decoder = dict(type='QuarterOffsetHeatmap', input_size=(64, 64), heatmap_size=(16, 16), kernel_size=5)
        cfg = dict(
            type='TopdownPoseEstimator',
            data_preprocessor=dict(type='PoseDataPreprocessor'),
            backbone=dict(
                dict(type='RSN', num_blocks=[1, 1], stem_channels=8, unit_channels=16), **(backbone or {})),
            head=dict(
                dict(type='MultiStageHead', num_units=2, in_channels=16, out_channels=5, decoder=decoder),
                **(head or {})),
            **kwargs)
        with DefaultScope.overwrite_default_scope('rsn_mm'):
            return registry.MODELS.build(cfg)

    return make


@pytest.fixture(scope='session')
def coco_file() -> Callable[..., str]:
    """Write a COCO annotation file: one image ``1.jpg`` of 100 x 120 px, people alike in it."""

    def write(path: Path, num_keypoints: int = 17, num_people: int = 2, **person: Any) -> str:
        """``person``: fields of a person's annotation to replace."""
        joints = np.column_stack([np.arange(num_keypoints) + 20., np.arange(num_keypoints) + 30., [2] * num_keypoints])
        default = dict(image_id=1, category_id=1, bbox=[10., 20., 30., 40.], area=1200., iscrowd=0,
                       num_keypoints=num_keypoints, keypoints=joints.ravel().tolist())
        category = dict(id=1, name='person', keypoints=[str(i) for i in range(num_keypoints)], skeleton=[])
        path.write_text(json.dumps(dict(
            images=[dict(id=1, file_name='1.jpg', width=100, height=120, crowdIndex=0.)],
            annotations=[{**default, 'id': i + 1, **person} for i in range(num_people)],
            categories=[category])))
        return str(path)

    return write


@pytest.fixture(scope='session')
def mpii_file() -> Callable[..., str]:
    """Write an annotation file of MMPose's MPII: people alike in the image ``1.jpg``."""

    def write(path: Path, num_people: int = 2, **changes: Any) -> str:
        person = dict(image='1.jpg', center=[50., 60.], scale=.5, joints=[[30. + i, 40.] for i in range(16)],
                      joints_vis=[1] * 16)
        person.update(changes)
        path.write_text(json.dumps([person] * num_people))
        return str(path)

    return write
