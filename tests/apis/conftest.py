"""A tiny pose estimator with weights of a seed, and pictures and a video of drawn people."""
from pathlib import Path
from typing import Any, List, NamedTuple

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from rsn_mm import registry
from rsn_mm.apis import PoseInferencer
from rsn_mm.synthetic import draw_picture

CONFIGS = Path(__file__).parents[2] / 'configs'
SIZE = (48, 64)


class TinyModel(NamedTuple):
    config: str
    weights: str


@pytest.fixture(scope='session')
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """`rsn_people_128x96.py` at 64x48 with two units."""
    folder = tmp_path_factory.mktemp('tiny')
    config = Config.fromfile(CONFIGS / 'rsn_people_128x96.py')
    config.merge_from_dict({
        'model.backbone': dict(num_blocks=[1, 1], stem_channels=8, unit_channels=16),
        'model.head': dict(num_units=2, in_channels=16),
        'model.head.decoder': dict(input_size=SIZE, heatmap_size=(SIZE[0] // 4, SIZE[1] // 4)),
    })
    config.test_dataloader.dataset.pipeline[2].input_size = SIZE
    config.dump(folder / 'tiny.py')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('rsn_mm'):
        model = registry.MODELS.build(config.model)
        model.init_weights()
    # Maps of a trained network go up to 255.
    torch.nn.init.normal_(model.head.predictors[-1][-1][-1].norm.weight, 100., 20.)
    torch.save(dict(meta={}, state_dict=model.state_dict()), folder / 'tiny.pth')
    return TinyModel(str(folder / 'tiny.py'), str(folder / 'tiny.pth'))


@pytest.fixture(scope='session')
def tiny_detector(tmp_path_factory: pytest.TempPathFactory) -> List[str]:
    """RTMDet at 64x64 with as few channels as it takes, persons being class 1 of 2, and weights of a seed."""
    from mmdet.apis import init_detector
    from mmengine.hub import get_config
    folder = tmp_path_factory.mktemp('detector')
    config: Config = get_config('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py')
    config.model.backbone.update(widen_factor=0.125, deepen_factor=0.1, init_cfg=None)
    config.model.neck.update(in_channels=[32, 64, 128], out_channels=16, num_csp_blocks=1)
    config.model.bbox_head.update(in_channels=16, feat_channels=16, num_classes=2)
    config.model.test_cfg.update(score_thr=0.)
    for step in config.test_dataloader.dataset.pipeline:
        if 'scale' in step:
            step.scale = (64, 64)
        if 'size' in step:
            step.size = (64, 64)
    config.dump(folder / 'detector.py')
    torch.manual_seed(0)
    model = init_detector(str(folder / 'detector.py'), device='cpu')
    checkpoint = dict(meta=dict(dataset_meta=dict(classes=('cat', 'person'))), state_dict=model.state_dict())
    torch.save(checkpoint, folder / 'detector.pth')
    return [str(folder / 'detector.py'), str(folder / 'detector.pth')]


@pytest.fixture(scope='session')
def inferencer(tiny: TinyModel) -> PoseInferencer:
    return PoseInferencer(tiny.config, tiny.weights, 'whole', device='cpu', batch_size=4)


@pytest.fixture(scope='session')
def pictures() -> List[np.ndarray]:
    """Five pictures of drawn people, (H, W, 3) uint8 BGR, of several widths."""
    return [draw_picture('val', index, seed=1, size_wh=(160, 120))[0] for index in range(5)]


@pytest.fixture
def folder(pictures: List[np.ndarray], tmp_path: Path) -> Path:
    """The pictures as 0.png to 4.png."""
    path = tmp_path / 'pictures'
    path.mkdir()
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(path / f'{number}.png'), picture)
    return path


@pytest.fixture
def video(pictures: List[np.ndarray], tmp_path: Path) -> Path:
    """Ten noisy frames of 96 x 72 px, each brighter than the one before; 10 frames a second."""
    path = tmp_path / 'clip.avi'
    noise = np.random.default_rng(0).integers(0, 60, (10, 72, 96, 3), dtype=np.uint8)
    write_video(path, [noise[number] + np.uint8(20 * number) for number in range(10)])
    return path


def write_video(path: Path, frames: Any, codec: str = 'XVID') -> None:
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 10., (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
