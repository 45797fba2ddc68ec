"""A pose estimator by name, path or exported file, ready to run on crops."""
import logging
from typing import Any, Callable, NamedTuple, Optional, Protocol, Tuple

import numpy as np
import torch
from mmpose.models import TopdownPoseEstimator
from mmpose.structures import PoseDataSample

from ..codecs import QuarterOffsetHeatmap
from ..compat import lean_imports
from ..deploy import PoseMetadata, check_torch_device, default_device, load_runtime
from ..deploy.half import cast
from ..deploy.precision import DTYPES, select, torch_precisions
from ..deploy.torch_runtime import numbered
from ..files import given_path
from ..models import MultiStageHead
from .configs import find_model, find_weights
from .crops import CropRule
from .drawing import score_threshold_of
from .quiet import quiet_loading
from .results import PoseMeta
from .zoo import take_model, usable_models

logger = logging.getLogger('rsn_mm.apis')

RUNTIME_OF_FILE = {'.onnx': 'onnxruntime', '.xml': 'openvino'}
# Of a model that was exported without a config: COCO's.
PADDING = (1.09, 1.135)
# Persons at once. On a CPU more of them fall out of the cache, on a GPU fewer leave it idle.
CPU_BATCH, GPU_BATCH = 16, 64


class CropModel(Protocol):
    """Crops (N, h, w, 3) uint8 BGR in, keypoints (N, K, 2) in input px and scores (N, K) out: a :class:`PoseRuntime`, or what
    has these of its attributes and methods."""
    num_keypoints: int
    precision: str
    asynchronous: bool

    def empty_crops(self, count: int) -> np.ndarray:
        ...

    def submit(self, images: np.ndarray) -> Callable[[], Tuple[np.ndarray, np.ndarray]]:
        ...

    def __call__(self, images: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        ...


class PoseModel(NamedTuple):
    """What runs on crops, how crops are made, what the numbers stand for, which scores are worth drawing, the device, and what
    ``pose`` was or became."""
    runtime: CropModel
    crops: CropRule
    meta: PoseMeta
    score_threshold: float
    device: str
    name: str


class MMPoseRuntime:
    """Any top-down estimator of MMPose as it is, decoded by its own head.

    Args:
        estimator (TopdownPoseEstimator): As ``init_model`` makes it.
        input_size (tuple[int, int]): Width and height of the crops in px.
        flip_test (bool): Average with the mirrored crop.
        max_batch (int): Crops that are computed at once; fewer, from then on, where a GPU's memory does not hold them.
        precision (str): See :class:`PoseInferencer`. In half precision the backbone computes by autocast, the head in float32.
            'auto' is float32: what half precision does to other networks than RSN has not been measured.
    """

    asynchronous = False

    def __init__(self, estimator: TopdownPoseEstimator, input_size: Tuple[int, int], flip_test: bool, max_batch: int,
                 precision: str = 'auto') -> None:
        self._device = next(estimator.parameters()).device
        available = sorted(torch_precisions(self._device), key='float32'.__ne__)
        self.precision = select(precision, available, f'PyTorch on {self._device} for models of MMPose')
        self._estimator = estimator
        self._input_size = input_size
        self._test_cfg = dict(estimator.test_cfg or {}, flip_test=flip_test, output_heatmaps=False)
        self._max_batch = max_batch
        self._kept = self._test_cfg.get('output_keypoint_indices')
        self.num_keypoints = int(estimator.dataset_meta['num_keypoints'])

    def __call__(self, images: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        keypoints = np.zeros((len(images), self.num_keypoints, 2), np.float32)
        scores = np.zeros((len(images), self.num_keypoints), np.float32)
        kept = slice(None) if self._kept is None else self._kept
        done = 0
        while done < len(images):
            for found in self._fitting(images[done:done + self._max_batch]):
                keypoints[done], scores[done] = found.keypoints[0, kept], found.keypoint_scores[0, kept]
                done += 1
        return keypoints, scores

    def _fitting(self, images: np.ndarray) -> Any:
        """Predictions of the first of some images, of as many as memory holds."""
        while True:
            try:
                return self._predict(images)
            except torch.cuda.OutOfMemoryError:
                if len(images) == 1:
                    raise
            torch.cuda.empty_cache()  # out of the handler, which holds what was computed
            most, images = len(images), images[:len(images) // 2]
            self._max_batch = min(self._max_batch, len(images))
            logger.warning('The GPU has too little memory for %d persons at once: from now on it gets %d.', most,
                           self._max_batch)

    def submit(self, images: np.ndarray) -> Callable[[], Tuple[np.ndarray, np.ndarray]]:
        joints = self(images)
        return lambda: joints

    def empty_crops(self, count: int) -> np.ndarray:
        width, height = self._input_size
        return np.empty((count, height, width, 3), np.uint8)

    @torch.no_grad()
    def _predict(self, images: np.ndarray) -> Any:
        estimator = self._estimator
        samples = [PoseDataSample(metainfo=dict(flip_indices=estimator.dataset_meta['flip_indices'],
                                                input_size=images.shape[2:0:-1])) for _ in images]
        channels_first = list(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous())
        data = estimator.data_preprocessor(dict(inputs=channels_first, data_samples=samples), False)
        features = self._features(data['inputs'])
        if self._test_cfg['flip_test']:
            features = [features, self._features(data['inputs'].flip(-1))]
        found = estimator.head.predict(features, data['data_samples'], test_cfg=self._test_cfg)
        return found[0] if isinstance(found, tuple) else found  # beside heatmaps, or beside nothing by VisPredictHead

    def _features(self, images: torch.Tensor) -> Any:
        if self.precision == 'float32':
            return self._estimator.extract_feat(images)
        with torch.autocast(self._device.type, DTYPES[self.precision]):
            return cast(self._estimator.extract_feat(images), torch.float32)


def load_pose_model(pose: Optional[str], weights: Optional[str] = None, runtime: Optional[str] = None,
                    device: Optional[str] = None, flip_test: Optional[bool] = None, batch_size: Optional[int] = None,
                    random_weights: bool = False, precision: str = 'auto') -> PoseModel:
    """Load what ``pose`` stands for; see :class:`PoseInferencer` for the arguments and errors."""
    if pose is None:
        if weights is not None:
            raise ValueError(f'weights={weights!r} is for a model that is not named. Give pose, too.')
        device = device or default_device(runtime or 'torch')
        pose = usable_models(device)[0] if random_weights else take_model(device)
    path = given_path('pose', pose)
    suffix = path.suffix
    runtime = runtime or RUNTIME_OF_FILE.get(suffix, 'torch')
    device = device or default_device(runtime)
    if runtime == 'torch':
        check_torch_device(device)
    batch_size = default_batch_size(device, bool(flip_test)) if batch_size is None else batch_size
    if suffix in RUNTIME_OF_FILE:
        if weights is not None:
            raise ValueError(f'weights={weights!r} is for a config; {pose!r} has its weights inside.')
        exported = load_runtime(path, runtime, device=device, flip_test=flip_test, max_batch=batch_size, precision=precision)
        return _describe_exported(exported, exported.metadata, device, pose)
    estimator = load_estimator(pose, weights, device if runtime == 'torch' else 'cpu', random_weights)
    crops = CropRule.from_pipeline(estimator.cfg.test_dataloader.dataset.pipeline)
    head = estimator.head
    decoder = getattr(head, 'pose_head', head).decoder  # VisPredictHead predicts joints by another head
    loaded: CropModel
    if runtime == 'torch' and not (isinstance(head, MultiStageHead) and isinstance(decoder, QuarterOffsetHeatmap)):
        loaded = MMPoseRuntime(estimator, crops.input_size, bool(flip_test), batch_size, precision)
    else:
        loaded = load_runtime(estimator, runtime, device=device, flip_test=flip_test, max_batch=batch_size, precision=precision)
    return PoseModel(loaded, crops, PoseMeta.from_dataset_meta(estimator.dataset_meta),
                     score_threshold_of(type(decoder).__name__), device, pose)


def load_estimator(pose: str, weights: Optional[str], device: str = 'cpu',
                   random_weights: bool = False) -> TopdownPoseEstimator:
    """MMPose's estimator in eval mode, with ``cfg`` and ``dataset_meta``, as ``init_model`` makes it.

    Raises:
        FileNotFoundError, ValueError: if the config or the weights are missing, do not fit each other, or are no numbers.
    """
    config, listed_weights = find_model(pose)
    missing = [key for key in ('model', 'test_dataloader') if not config.get(key)]
    if missing:
        raise ValueError(f'The config {pose!r} has no {" and no ".join(missing)}. Give the config of a whole pose estimator.')
    checkpoint = find_weights('weights', weights, listed_weights, random_weights)
    with quiet_loading(), lean_imports():
        from mmpose.apis.inference import init_model
        estimator = init_model(config, checkpoint, device=str(numbered(device)))
    broken = [name for name, tensor in estimator.state_dict().items() if not tensor.isfinite().all()]
    if broken:
        raise ValueError(f'The weights {checkpoint!r} are NaN or infinite in {len(broken)} tensors, {broken[0]!r} first: their '
                         'training diverged. Take a checkpoint from before.')
    return estimator


def default_batch_size(device: str, flip_test: bool = False) -> int:
    """Persons at once. A mirrored person takes as much of a GPU's memory as another one."""
    if torch.device(device).type == 'cpu':
        return CPU_BATCH
    return GPU_BATCH // 2 if flip_test else GPU_BATCH


def _describe_exported(runtime: CropModel, metadata: PoseMetadata, device: str, name: str) -> PoseModel:
    names = metadata.keypoint_names or tuple(str(i) for i in range(metadata.num_keypoints))
    horizontal, vertical = metadata.padding or PADDING
    crops = CropRule(metadata.input_size, (horizontal, vertical))
    return PoseModel(runtime, crops, PoseMeta.plain(names, metadata.skeleton), score_threshold_of(metadata.codec), device,
                     name)
