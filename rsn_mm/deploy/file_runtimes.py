"""Exported files in ONNX Runtime and OpenVINO."""
import threading
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np

from .base import Outputs, PoseRuntime
from .metadata import METADATA_KEY, PoseMetadata, require
from .precision import onnxruntime_precisions, openvino_precisions, select

PROVIDERS = dict(cpu='CPUExecutionProvider', cuda='CUDAExecutionProvider')
# int8 is in the file; what is not quantised in it is computed in float32.
OPENVINO_HINTS = dict(float32='f32', bfloat16='bf16', float16='f16', int8='f32')


class OnnxRuntime(PoseRuntime):
    """An exported file in ONNX Runtime. For ``device='cuda'`` its GPU package is needed."""

    def __init__(self, path: Path, device: str = 'cpu', precision: str = 'auto', threads: Optional[int] = None,
                 max_batch: int = 8) -> None:
        ort = require('onnxruntime', "runtime='onnxruntime'")
        provider, settings = _provider(device, ort.get_available_providers())
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        # On a CPU without VNNI products of int8 overflow in 16 bits, unless this is set; elsewhere it changes nothing.
        options.add_session_config_entry('session.x64quantprecision', '1')
        try:
            self.session = ort.InferenceSession(str(path), options, providers=[(provider, settings)])
        except Exception as error:  # its exception types are private
            raise ValueError(f'{path} is no model that ONNX Runtime reads: {error}') from error
        if self.session.get_providers()[0] != provider:
            raise ValueError(f"device={device!r}: ONNX Runtime has {provider}, but cannot load it and would compute on the CPU."
                             " Its CUDA and cuDNN must be those that this onnxruntime-gpu was built for. Take device='cpu' to "
                             'compute there.')
        properties = self.session.get_modelmeta().custom_metadata_map
        super().__init__(PoseMetadata.from_properties(properties, str(path)), max_batch)
        available = onnxruntime_precisions(provider != 'CPUExecutionProvider', self.metadata.precision)
        self.precision = select(precision, available, f'ONNX Runtime on {device} for {path}')

    def _run(self, images: np.ndarray) -> Outputs:
        names = list(self.metadata.outputs)
        return dict(zip(names, self.session.run(names, {'images': images})))


def _provider(device: str, available: Sequence[str]) -> Tuple[str, Dict[str, Any]]:
    """ONNX Runtime's name of a device, and its settings.

    Raises:
        ValueError: if it is not to be had.
    """
    kind, _, index = device.partition(':')
    provider = PROVIDERS.get(kind)
    if provider is None or provider not in available or not (index.isdecimal() or index == '' == device[len(kind):]):
        raise ValueError(f"device={device!r} is not to be had in this ONNX Runtime: it has {list(available)}. Take 'cpu', or "
                         "install onnxruntime-gpu for 'cuda' and 'cuda:1'.")
    if kind == 'cpu':
        return provider, {}
    # By default it would search for the fastest algorithms again for every new number of crops.
    return provider, dict(device_id=int(index or 0), cudnn_conv_algo_search='HEURISTIC')


class OpenVINORuntime(PoseRuntime):
    """An exported file in OpenVINO. It would compute in bfloat16 unasked where that is faster; here ``precision`` decides."""

    def __init__(self, path: Path, device: str = 'cpu', precision: str = 'auto', threads: Optional[int] = None,
                 max_batch: int = 8) -> None:
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
        available = openvino_precisions(core.get_property(device.upper(), 'OPTIMIZATION_CAPABILITIES'), self.metadata.precision)
        self.precision = select(precision, available, f'OpenVINO on this {device} for {path}')
        options: Dict[str, Any] = dict(PERFORMANCE_HINT='LATENCY', INFERENCE_PRECISION_HINT=OPENVINO_HINTS[self.precision])
        if threads:
            options['INFERENCE_NUM_THREADS'] = threads
        if device.lower() == 'cpu':
            # A thread that is bound to a core waits for whoever else computes there: a detector, or what reads the video.
            options['ENABLE_CPU_PINNING'] = False
        self._compiled = core.compile_model(model, device.upper(), options)
        self._requests = threading.local()  # one computes for one thread at a time

    def _run(self, images: np.ndarray) -> Outputs:
        if not hasattr(self._requests, 'own'):
            self._requests.own = self._compiled.create_infer_request()
        outputs = self._requests.own.infer({0: images}, share_inputs=True, share_outputs=True)
        return {name: outputs[i] for i, name in enumerate(self.metadata.outputs)}
