"""int8 form of an exported file."""
import logging
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Union

import numpy as np

from ..files import given_path, new_file, whole_or_not
from .metadata import PoseMetadata, require

# What is computed in int8, where all of it stands between the first and the last convolution.
INT8_OPERATORS = ('Conv', 'Relu', 'Add', 'MaxPool', 'Concat', 'Split', 'Resize')


def quantize(source: Union[str, Path], path: Union[str, Path], calibration_images: Iterable[np.ndarray]) -> PoseMetadata:
    """Write the int8 form of a float32 file of :func:`export_onnx`.

    Weights are int8 for each output channel, activations uint8 for each tensor, in the range that the calibration images
    show. Normalisation of the image and the decoder stay float32. The file holds QuantizeLinear and DequantizeLinear nodes
    around the operators, which ONNX Runtime, OpenVINO and TensorRT all read.

    Args:
        source (str | Path): File of :func:`export_onnx`.
        path (str | Path): File to write, whole or not at all, in a folder that exists.
        calibration_images (Iterable[np.ndarray]): Crops (h, w, 3), uint8, BGR, as the model will see them: 100 to 300 of
            different people. They are taken one at a time.

    Returns:
        PoseMetadata: What the file says about itself.

    Raises:
        ImportError: if ``onnx`` or ``onnxruntime`` is missing.
        FileNotFoundError: if ``source`` or the folder of ``path`` does not exist.
        TypeError, ValueError: if ``source`` is no float32 file of :func:`export_onnx`, or the images do not fit it.
    """
    onnx = require('onnx', 'Quantisation')
    quantization = require('onnxruntime.quantization', 'Quantisation')
    source, path = given_path('source', source), new_file('path', path)
    if not source.is_file():
        raise FileNotFoundError(f'source={str(source)!r} does not exist. rsn_mm.deploy.export_onnx writes such a file.')
    model = onnx.load(str(source))
    metadata = PoseMetadata.from_properties({entry.key: entry.value for entry in model.metadata_props}, str(source))
    if metadata.precision != 'float32':
        raise ValueError(f'{source} is {metadata.precision} already. Quantise the float32 file that it was made of.')
    metadata = replace(metadata, precision='int8')
    with whole_or_not(path) as unfinished, _without_advice():
        quantization.quantize_static(
            model,
            str(unfinished),
            _calibration_reader(quantization, calibration_images, metadata),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            nodes_to_quantize=_network_nodes(model))
        quantized = onnx.load(str(unfinished))
        onnx.helper.set_model_props(quantized, dict(metadata.to_properties()))
        onnx.save(quantized, str(unfinished))
    return metadata


def _network_nodes(model: Any) -> List[str]:
    """Names of the nodes to compute in int8: all before the last convolution, which the decoder follows."""
    nodes = list(model.graph.node)
    last = max(i for i, node in enumerate(nodes) if node.op_type == 'Conv')
    return [node.name for node in nodes[:last + 1] if node.op_type in INT8_OPERATORS]


def _calibration_reader(quantization: Any, images: Iterable[np.ndarray], metadata: PoseMetadata) -> Any:
    """ONNX Runtime's reader of calibration data: one checked crop after another."""
    width, height = metadata.input_size
    crops = _checked(images, (height, width, 3))
    first = next(crops, None)
    if first is None:
        raise ValueError('calibration_images is empty: give crops of people as the model will see them, 100 to 300.')

    class Reader(quantization.CalibrationDataReader):

        def __init__(self) -> None:
            self.upcoming: Optional[np.ndarray] = first

        def get_next(self) -> Optional[Dict[str, np.ndarray]]:
            image, self.upcoming = self.upcoming, next(crops, None)
            return None if image is None else dict(images=image[None])

    return Reader()


def _checked(images: Iterable[np.ndarray], shape: tuple) -> Iterator[np.ndarray]:
    for i, image in enumerate(images):
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            raise TypeError(f'calibration_images[{i}] is {getattr(image, "dtype", type(image).__name__)}; a uint8 array is '
                            'expected, BGR as OpenCV reads it.')
        if image.shape != shape:
            raise ValueError(f'calibration_images[{i}] has shape {image.shape}; {shape} is expected, a crop of the input size '
                             'of the model.')
        yield np.ascontiguousarray(image)


@contextmanager
def _without_advice() -> Iterator[None]:
    """ONNX Runtime advises a pre-processing that PyTorch's exporter has done, on the root logger."""

    def wanted(record: logging.LogRecord) -> bool:
        return 'pre-processing before quantization' not in record.getMessage()

    root = logging.getLogger()
    root.addFilter(wanted)
    try:
        yield
    finally:
        root.removeFilter(wanted)
