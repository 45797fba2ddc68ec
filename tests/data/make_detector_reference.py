"""Writes ``detector_reference.npz``: boxes that MMDetection's detectors find with MMCV's compiled ops.

Run it where MMCV 2.1.0 with compiled ops, MMDetection 3.3.0 and MMPose 1.3.2 are installed. It takes a minute on a CPU:

    python tests/data/make_detector_reference.py

``tests/compat/test_detectors.py`` runs the same detectors without the compiled ops. Keys of the file: ``picture``, the
bytes of a PNG file; ``<detector>/bboxes``, ``/scores`` and ``/labels``.

Weights are not stored: they come from numpy's legacy generator, whose streams do not change between versions.
"""
import importlib
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

import cv2
import numpy as np
import torch

TARGET = Path(__file__).with_name('detector_reference.npz')
FEWEST_BOXES = 50
FEWEST_SUPPRESSED = 100
MOST_NOISE_PX, MOST_NOISE_SCORE = 0.02, 2e-3
# Statistics of normalisation layers are kept to this many digits: far more than differences between machines.
DIGITS = 3


class Detector(NamedTuple):
    """A detector of MMDetection's model zoo.

    Attributes:
        config (str): path below MMDetection's ``configs``.
        weights (tuple): what parameters get: (part of a parameter's name, scale, bias), the first one that fits. Many
            scores above the threshold, boxes of all sizes, and few steep layers, where rounding would grow.
        changes (dict): of the config.
    """
    config: str
    weights: Tuple[Tuple[str, float, float], ...]
    changes: Dict[str, Any] = {}


_TWO_STAGES = (('bn3', .3, 0.), ('bn', .6, .3), ('downsample.1', 1., 0.), ('rpn_reg', .2, 0.), ('rpn_cls', 1.5, 0.),
               ('fc_reg', .3, 0.), ('fc_cls', .8, 0.), ('', 1.4, 0.))
DETECTORS = {
    'rtmdet': Detector(
        'rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
        (('rtm_cls', .3, -3.), ('rtm_reg', .3, 3.5), ('.bn.', .7, .5), ('fc', 1., 0.), ('', 2., 0.))),
    'faster_rcnn': Detector('faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', _TWO_STAGES),
    'cascade_rcnn_soft_nms': Detector(
        'cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py',
        (('fc_reg', .15, 0.), ('fc_cls', 1.2, 0.), *_TWO_STAGES),
        {'model.test_cfg.rcnn.nms': dict(type='soft_nms', method='gaussian', sigma=0.5, min_score=0.05),
         'model.test_cfg.rcnn.max_per_img': 400}),
}


def detector_config(name: str, size_wh: Tuple[int, int]) -> Any:
    """MMEngine config of a detector that takes pictures of this size as they are; RTMDet pads them."""
    import mmdet
    from mmengine.config import Config
    detector = DETECTORS[name]
    config = Config.fromfile(Path(mmdet.__file__).parent / '.mim' / 'configs' / detector.config)
    config.merge_from_dict(detector.changes)
    for step in config.test_dataloader.dataset.pipeline:
        if step.type == 'Resize':
            step.scale = size_wh
        if step.type == 'Pad':
            step.size = (size_wh[0] + 32, size_wh[1])
    return config


def build_detector(name: str, picture: np.ndarray) -> torch.nn.Module:
    """A detector from MMDetection's ``init_detector``, with the same weights on every machine."""
    from mmdet.apis import init_detector
    model = init_detector(detector_config(name, picture.shape[1::-1]), device='cpu')
    set_weights(model, DETECTORS[name].weights, picture)
    return model


def set_weights(model: torch.nn.Module, rules: Tuple[Tuple[str, float, float], ...], picture: np.ndarray) -> None:
    """Give a detector random weights that do not depend on the machine or on the version of PyTorch.

    Args:
        model (nn.Module): changed in place.
        rules (tuple): as ``Detector.weights``.
        picture (ndarray): (H, W, 3) uint8; normalisation layers normalise what they get for it.
    """
    rng = np.random.RandomState(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale, bias = next(rule[1:] for rule in rules if rule[0] in name)
            if parameter.ndim > 1:
                values = rng.uniform(-1, 1, parameter.shape) * (scale * (3 / parameter[0].numel())**0.5)
                parameter.copy_(torch.from_numpy(values))
            elif not name.endswith('scale'):
                parameter.fill_(scale if name.endswith('weight') else bias)
        _set_running_statistics(model, picture)


def _set_running_statistics(model: torch.nn.Module, picture: np.ndarray) -> None:
    """Without them the signal would vanish or overflow. In double precision and rounded: the same on every machine."""
    layers = [module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    model.double()
    for layer in layers:
        layer.train()
        layer.momentum = 1.
    inputs = torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float64))
    features = model.extract_feat((inputs - 115) / 58)
    if not hasattr(model, 'roi_head'):
        model.bbox_head(features)
    for layer in layers:
        for statistic in (layer.running_mean, layer.running_var):
            statistic.copy_(torch.from_numpy(np.vectorize(_rounded, otypes=[float])(statistic.numpy())))
    model.float().eval()


def _rounded(value: float) -> float:
    return float(f'{value:.{DIGITS}g}')


def detect(model: torch.nn.Module, picture: np.ndarray) -> Dict[str, np.ndarray]:
    """Bboxes (n, 4) in pixels as x1, y1, x2, y2, scores (n,) and labels (n,), as ``inference_detector`` gives them."""
    from mmdet.apis import inference_detector
    found = inference_detector(model, picture).pred_instances
    return {key: found[key].numpy() for key in ('bboxes', 'scores', 'labels')}


@contextmanager
def counted_ops() -> Iterator[List[Tuple[str, int, int]]]:
    """The calls of MMCV's ops meanwhile: name, how many boxes went in, how many came out."""
    modules = [importlib.import_module(f'mmcv.ops.{module}') for module in ('nms', 'roi_align')]
    calls: List[Tuple[str, int, int]] = []

    def counted(name: str, op: Any) -> Any:

        def call(*args: Any, **kwargs: Any) -> Any:
            result = op(*args, **kwargs)
            taken = args[1] if name == 'roi_align_forward' else args[0]
            calls.append((name, len(taken), len(taken) if result is None else len(result)))
            return result

        return call

    real = [module.ext_module for module in modules]
    for module, ext in zip(modules, real):
        names = ('nms', 'softnms') if module.__name__.endswith('nms') else ('roi_align_forward', )
        module.ext_module = SimpleNamespace(**{name: counted(name, getattr(ext, name)) for name in names})
    try:
        yield calls
    finally:
        for module, ext in zip(modules, real):
            module.ext_module = ext


def read_picture(file: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 BGR from the bytes of a file."""
    return cv2.imdecode(file, cv2.IMREAD_COLOR)


def differences(found: Dict[str, np.ndarray], expected: Dict[str, np.ndarray]) -> Tuple[float, float]:
    """The largest difference of a coordinate, in pixels, and of a score between the boxes of two runs.

    Each box belongs to the nearest one of the same label: the order may differ where scores are nearly equal. Both are
    infinite where not every box has one of its own.
    """
    if sorted(found['labels']) != sorted(expected['labels']):
        return np.inf, np.inf
    distances = np.abs(found['bboxes'][:, None] - expected['bboxes']).max(axis=2)
    distances[found['labels'][:, None] != expected['labels']] = np.inf
    partner = distances.argmin(axis=1)
    if len(set(partner)) < len(partner):
        return np.inf, np.inf
    return float(distances.min(axis=1).max()), float(np.abs(found['scores'] - expected['scores'][partner]).max())


def _stable_detections(name: str, picture: np.ndarray) -> Dict[str, np.ndarray]:
    """All detections, after checking that they are many and that noise of 1e-4 grey levels does not change them."""
    model = build_detector(name, picture)
    with counted_ops() as calls:
        found = detect(model, picture)
    count = len(found['labels'])
    removed = sum(before - after for _, before, after in calls)
    print(f'{name}: {count} boxes, {removed} suppressed, scores {found["scores"].min():.2f} to {found["scores"].max():.2f}')
    if count < FEWEST_BOXES or removed < FEWEST_SUPPRESSED:
        raise RuntimeError(f'{name} keeps {count} boxes and suppresses {removed}. Change its weights in DETECTORS.')
    for seed in range(4):
        noise = np.random.RandomState(seed).standard_normal(picture.shape).astype(np.float32)
        pixels, score = differences(detect(model, picture + 1e-4 * noise), found)
        print(f'    with noise: {pixels:.2g} px, scores {score:.2g}')
        if pixels > MOST_NOISE_PX or score > MOST_NOISE_SCORE:
            raise RuntimeError(f'Noise moves boxes of {name} by {pixels} px, scores by {score}. Change its weights in '
                               'DETECTORS.')
    return found


def main() -> None:
    """Write the file.

    Raises:
        RuntimeError: if MMCV's compiled ops are not those of the wheel.
    """
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from rsn_mm.synthetic import draw_picture
    extension = importlib.import_module('mmcv._ext')
    if not str(extension.__file__).endswith('.so'):
        raise RuntimeError(f'mmcv._ext is {extension.__file__}; the reference must come from the compiled module.')
    picture = draw_picture('val', 6, size_wh=(256, 192))[0][:, :192]  # whole cells of the coarsest features: no rescaling
    file = cv2.imencode('.png', picture)[1]
    arrays = {'picture': file}
    for name in DETECTORS:
        arrays.update({f'{name}/{key}': array for key, array in _stable_detections(name, read_picture(file)).items()})
    np.savez_compressed(TARGET, **arrays)


if __name__ == '__main__':
    main()
