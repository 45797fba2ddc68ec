"""One way to run a pose model on crops, whatever computes it."""
import tempfile
from abc import ABC, abstractmethod
from contextlib import nullcontext
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import nn

from .export import export_onnx
from .graph import PoseGraph, check_model, flip_indices_of
from .metadata import METADATA_KEY, PoseMetadata, check_choice, require

RUNTIMES = ('torch', 'onnxruntime', 'openvino')
Source = Union[nn.Module, str, Path]


class Joints(NamedTuple):
    """Joints of N crops.

    keypoints: (N, K, 2) float32 in input px, (x, y), 0 being the centre of the first pixel.
    scores: (N, K) float32.
    """
    keypoints: np.ndarray
    scores: np.ndarray


class PoseRuntime(ABC):
    """A pose model that is ready to run: crops in, joints out. :func:`load_runtime` makes one.

    Attributes:
        input_size (tuple[int, int]): Size (w, h) of the crops in px.
        num_keypoints (int): Number of joints K.
        metadata (PoseMetadata): What else is known of the model.
    """

    def __init__(self, metadata: PoseMetadata, max_batch: int) -> None:
        if max_batch < 1:
            raise ValueError(f'max_batch={max_batch} must be at least 1, the number of crops that are computed at once.')
        self.metadata = metadata
        self.input_size = metadata.input_size
        self.num_keypoints = metadata.num_keypoints
        self.max_batch = max_batch

    def __call__(self, images: np.ndarray) -> Joints:
        """Find joints.

        Args:
            images (np.ndarray): Crops (N, h, w, 3), uint8, BGR as OpenCV reads them. N may be 0.

        Returns:
            Joints: ``keypoints`` (N, K, 2) in input px and ``scores`` (N, K), float32.

        Raises:
            TypeError, ValueError: if ``images`` has another dtype or shape, or the model gives heatmaps alone.
        """
        if 'keypoints' not in self.metadata.outputs:
            raise ValueError("The model gives heatmaps alone (outputs='heatmaps'): call heatmaps(), and decode them with its "
                             f"codec, {self.metadata.codec}. Export it with outputs='joints' to have joints.")
        k = self.num_keypoints
        return Joints(*self._in_batches(images, ('keypoints', 'scores'), ((k, 2), (k, ))))

    def heatmaps(self, images: np.ndarray) -> np.ndarray:
        """Heatmaps (N, K, H, W), float32, of crops as above. The model must give them (outputs='heatmaps' or 'both')."""
        if 'heatmaps' not in self.metadata.outputs:
            raise ValueError("The model gives no heatmaps (outputs='joints'). Export or load it with outputs='both'.")
        width, height = self.metadata.heatmap_size
        maps, = self._in_batches(images, ('heatmaps', ), ((self.num_keypoints, height, width), ))
        return maps

    @abstractmethod
    def _run(self, images: np.ndarray) -> Dict[str, np.ndarray]:
        """Outputs by name, of 1 to ``max_batch`` crops."""

    def _in_batches(self, images: np.ndarray, names: Sequence[str], shapes: Sequence[Tuple[int, ...]]) -> List[np.ndarray]:
        images = self._checked(images)
        made = [np.empty((len(images), *shape), np.float32) for shape in shapes]
        for start in range(0, len(images), self.max_batch):
            part = slice(start, start + self.max_batch)
            outputs = self._run(images[part])
            for array, name in zip(made, names):
                array[part] = outputs[name]
        return made

    def _checked(self, images: np.ndarray) -> np.ndarray:
        width, height = self.input_size
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            given = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
            raise TypeError(f'images is {given}; a uint8 array is expected, BGR as OpenCV reads it. The model normalises.')
        if images.ndim != 4 or images.shape[1:] != (height, width, 3):
            raise ValueError(f'images has shape {images.shape}; (N, {height}, {width}, 3) is expected: crops of the input size '
                             f'(w, h) = ({width}, {height}) of the model.')
        return np.ascontiguousarray(images)


class TorchRuntime(PoseRuntime):
    """The model in PyTorch, on a CPU or a GPU.

    Args:
        model (nn.Module): The pose estimator. It is copied.
        device (str): 'cpu', 'cuda', 'cuda:1'. Defaults to 'cpu'.
        dtype (torch.dtype, optional): Compute the network in this dtype by autocast (bfloat16, float16); the decoder stays
            float32. Defaults to none.
        outputs, flip_test, max_batch, fused: See :func:`load_runtime`.
    """

    def __init__(self, model: nn.Module, device: str = 'cpu', dtype: Optional[torch.dtype] = None, outputs: str = 'joints',
                 flip_test: bool = False, max_batch: int = 8, fused: bool = True) -> None:
        check_model(model)
        flip_indices = flip_indices_of(getattr(model, 'dataset_meta', None), model.head.out_channels) if flip_test else None
        self.graph = PoseGraph(model, outputs, flip_indices, fused).to(device)
        super().__init__(PoseMetadata.from_model(model, self.graph.outputs, flip_test), max_batch)
        self.device = torch.device(device)
        self.dtype = dtype

    @torch.inference_mode()
    def _run(self, images: np.ndarray) -> Dict[str, np.ndarray]:
        autocast = torch.autocast(self.device.type, self.dtype) if self.dtype else nullcontext()
        with autocast:
            outputs = dict(heatmaps=self.graph.heatmaps(torch.from_numpy(images).to(self.device, non_blocking=True)))
        if 'keypoints' in self.metadata.outputs:
            outputs['keypoints'], outputs['scores'] = self.graph.codec.decode_batch(outputs['heatmaps'])
        return {name: outputs[name].cpu().numpy() for name in self.metadata.outputs}


class OnnxRuntime(PoseRuntime):
    """An exported file in ONNX Runtime. For ``device='cuda'`` its GPU package is needed."""

    def __init__(self, path: Path, device: str = 'cpu', threads: Optional[int] = None, max_batch: int = 8) -> None:
        ort = require('onnxruntime', "runtime='onnxruntime'")
        provider = dict(cpu='CPUExecutionProvider', cuda='CUDAExecutionProvider').get(device)
        if provider not in ort.get_available_providers():
            raise ValueError(f"device={device!r} is not to be had in this ONNX Runtime: it has "
                             f"{ort.get_available_providers()}. Take 'cpu', or install onnxruntime-gpu for 'cuda'.")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        try:
            self.session = ort.InferenceSession(str(path), options, providers=[provider])
        except Exception as error:  # its exception types are private
            raise ValueError(f'{path} is no model that ONNX Runtime reads: {error}') from error
        properties = self.session.get_modelmeta().custom_metadata_map
        super().__init__(PoseMetadata.from_properties(properties, str(path)), max_batch)

    def _run(self, images: np.ndarray) -> Dict[str, np.ndarray]:
        names = list(self.metadata.outputs)
        return dict(zip(names, self.session.run(names, {'images': images})))


class OpenVINORuntime(PoseRuntime):
    """An exported file in OpenVINO. Computes in float32 (or int8 where the file says so) on every CPU, also where bfloat16
    would be faster."""

    def __init__(self, path: Path, device: str = 'cpu', threads: Optional[int] = None, max_batch: int = 8) -> None:
        ov = require('openvino', "runtime='openvino'")
        core = ov.Core()
        if device.upper() not in core.available_devices:
            raise ValueError(f'device={device!r} is not to be had in OpenVINO here: it has '
                             f'{[name.lower() for name in core.available_devices]}.')
        try:
            model = core.read_model(str(path))
        except RuntimeError as error:
            raise ValueError(f'{path} is no model that OpenVINO reads: {error}') from error
        key = ['framework', METADATA_KEY]  # where OpenVINO keeps the metadata of ONNX files
        properties = {METADATA_KEY: model.get_rt_info(key).astype(str)} if model.has_rt_info(key) else {}
        super().__init__(PoseMetadata.from_properties(properties, str(path)), max_batch)
        options = dict(PERFORMANCE_HINT='LATENCY', INFERENCE_PRECISION_HINT='f32')
        if threads:
            options['INFERENCE_NUM_THREADS'] = threads
        self.request = core.compile_model(model, device.upper(), options).create_infer_request()

    def _run(self, images: np.ndarray) -> Dict[str, np.ndarray]:
        outputs = self.request.infer({0: images}, share_inputs=True, share_outputs=True)
        return {name: outputs[i] for i, name in enumerate(self.metadata.outputs)}


def load_runtime(source: Source,
                 runtime: str = 'torch',
                 *,
                 device: str = 'cpu',
                 threads: Optional[int] = None,
                 flip_test: Optional[bool] = None,
                 outputs: str = 'joints',
                 dtype: Optional[torch.dtype] = None,
                 max_batch: int = 8,
                 fused: bool = True) -> PoseRuntime:
    """Make a pose model ready to run.

    Args:
        source (nn.Module | str | Path): A pose estimator, as ``mmpose.apis.init_model`` makes it, or a file of
            :func:`export_onnx` or :func:`quantize`. For 'onnxruntime' and 'openvino' a pose estimator is exported first.
        runtime (str): 'torch' (takes a pose estimator alone), 'onnxruntime' or 'openvino'. Defaults to 'torch'.
        device (str): 'cpu', 'cuda', ... as the runtime calls it. Defaults to 'cpu'.
        threads (int, optional): Threads of 'onnxruntime' and 'openvino'; PyTorch has ``torch.set_num_threads``. Defaults to
            all cores.
        flip_test (bool, optional): Average in the heatmaps of the mirrored crop. Of a file it is fixed. Defaults to no.
        outputs (str): 'joints', 'heatmaps' or 'both'. Of a file it is fixed. Defaults to 'joints'.
        dtype (torch.dtype, optional): For 'torch': dtype of autocast. Defaults to none.
        max_batch (int): Crops that are computed at once; more come in several batches. Defaults to 8.
        fused (bool): For 'torch': compute the form of :func:`fuse`. Exported files always have it. Defaults to True.

    Raises:
        ImportError: if the runtime's package is missing.
        FileNotFoundError: if the file does not exist.
        TypeError, ValueError: if an argument is outside what is said above, or the file is none of :func:`export_onnx`.
    """
    check_choice('runtime', runtime, RUNTIMES)
    if runtime == 'torch':
        if not isinstance(source, nn.Module):
            raise TypeError(f"source={str(source)!r} is a file, which runtime='torch' does not read. Give the pose estimator, "
                            "or runtime='onnxruntime' or 'openvino'.")
        if threads is not None:
            raise ValueError(f"threads={threads} is for 'onnxruntime' and 'openvino'. PyTorch's threads are those of the whole "
                             'process: torch.set_num_threads.')
        return TorchRuntime(source, device, dtype, outputs, bool(flip_test), max_batch, fused)
    if dtype is not None:
        raise ValueError(f"dtype={dtype} is for runtime='torch'; {runtime!r} computes in the precision of the file.")
    make = OnnxRuntime if runtime == 'onnxruntime' else OpenVINORuntime
    if isinstance(source, nn.Module):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'model.onnx'
            export_onnx(source, path, outputs=outputs, flip_test=bool(flip_test))
            return make(path, device, threads, max_batch)
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(f'source={str(source)!r} does not exist. rsn_mm.deploy.export_onnx writes such a file.')
    loaded = make(path, device, threads, max_batch)
    if flip_test is not None and flip_test != loaded.metadata.flip_test:
        raise ValueError(f'flip_test={flip_test}, but {path} has flip_test={loaded.metadata.flip_test} inside. Export it '
                         'again, or leave flip_test out.')
    return loaded
