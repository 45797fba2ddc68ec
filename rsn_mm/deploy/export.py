"""Export to ONNX: one file from crops to joints, with all that a runtime must know of it."""
import io
import logging
import warnings
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Union

import torch
from mmpose.models import TopdownPoseEstimator

from ..files import new_file, whole_or_not
from .graph import PoseGraph, check_model, flip_indices_of
from .metadata import OUTPUTS, PoseMetadata, check_choice, require
from .precision import DTYPES, select

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 20


def export_onnx(model: TopdownPoseEstimator,
                path: Union[str, Path],
                *,
                outputs: str = 'joints',
                flip_test: bool = False,
                opset: int = OPSET,
                precision: str = 'float32') -> PoseMetadata:
    """Write a pose estimator as one ONNX file.

    The graph takes ``images`` (B, h, w, 3), uint8, BGR as OpenCV reads them, B free, and gives ``keypoints`` (B, K, 2) in
    input px, ``scores`` (B, K) and / or ``heatmaps`` (B, K, h/4, w/4), all float32. Normalisation, flip test and decoder
    are inside.

    Args:
        model (nn.Module): A ``TopdownPoseEstimator`` with a ``MultiStageHead``, as ``mmpose.apis.init_model`` makes it. It
            is left as it is.
        path (str | Path): The file, whose folder exists. It is written whole or not at all.
        outputs (str): 'joints', 'heatmaps' or 'both'. Defaults to 'joints'.
        flip_test (bool): Average in the heatmaps of the mirrored crop; takes twice the time. Needs
            ``model.dataset_meta``. Defaults to False.
        opset (int): ONNX opset, at least 18. Defaults to 20.
        precision (str): 'float32' (or 'auto'), or 'float16' for GPUs: weights and network in half precision, half the size.
            OpenVINO computes float32 files in bfloat16 where it is asked to. Defaults to 'float32'.

    Returns:
        PoseMetadata: What the file says about itself.

    Raises:
        ImportError: if ``onnx`` or ``onnxscript`` is missing.
        TypeError, ValueError: if the model is none of this project's, or an argument is outside what is said above.
        FileNotFoundError: if the folder of ``path`` does not exist.
    """
    onnx = require('onnx', 'Export to ONNX')
    require('onnxscript', 'Export to ONNX')
    check_model(model)
    check_choice('outputs', outputs, tuple(OUTPUTS))
    precision = select(precision, ('float32', 'float16'), 'an export')
    if opset < 18:
        raise ValueError(f'opset={opset} is below 18, the least that the exporter of PyTorch writes.')
    path = new_file('path', path)
    flip_indices = flip_indices_of(getattr(model, 'dataset_meta', None), model.head.out_channels) if flip_test else None
    graph = PoseGraph(model, outputs, flip_indices, dtype=DTYPES[precision]).cpu()
    metadata = PoseMetadata.from_model(model, graph.outputs, flip_test, precision)
    proto = _to_onnx(graph, metadata, opset)
    onnx.helper.set_model_props(proto, dict(metadata.to_properties()))
    onnx.checker.check_model(proto)
    with whole_or_not(path) as unfinished:
        onnx.save(proto, str(unfinished))
    return metadata


def _to_onnx(graph: PoseGraph, metadata: PoseMetadata, opset: int) -> 'ModelProto':
    width, height = metadata.input_size
    # Two images: one would make the exporter take the batch size for a constant.
    images = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            graph, (images, ), dynamo=True, input_names=['images'], output_names=list(metadata.outputs),
            dynamic_shapes=({0: torch.export.Dim('batch')}, ), opset_version=opset, verbose=False)
    assert program is not None  # that would be the exporter before dynamo's
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's progress, and without warnings that are about its own code."""
    level = logging.getLogger('torch.onnx').level
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore', (FutureWarning, DeprecationWarning))
        logging.getLogger('torch.onnx').setLevel(logging.ERROR)
        try:
            yield
        finally:
            logging.getLogger('torch.onnx').setLevel(level)
