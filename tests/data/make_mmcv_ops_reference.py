"""Writes ``mmcv_ops_reference.npz``: results of MMCV's compiled ops.

Run it where MMCV 2.1.0 with compiled ops is installed:

    python tests/data/make_mmcv_ops_reference.py

``tests/compat/test_mmcv_ops.py`` runs the same calls where the compiled ops are missing. Keys of the file:
``<case>/<result>``; and ``names``, all public names of the extension module. ``make_detector_reference.py`` does the same for
whole detectors.

Inputs are not stored: they come from numpy's legacy generator, whose streams do not change between versions. Cases in
which equal scores matter have at most 16 boxes: beyond, the order in which PyTorch sorts equal scores depends on the
processor.
"""
import importlib
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import numpy as np
import torch
import torch.nn.functional as F

TARGET = Path(__file__).with_name('mmcv_ops_reference.npz')


class Case(NamedTuple):
    """One call of a function of ``mmcv.ops``.

    Attributes:
        name (str): unique.
        function (str): name in ``mmcv.ops``.
        inputs (dict): tensors by name, the first arguments.
        options (dict): the further arguments, in their order.
        differentiable (tuple): names of the inputs whose gradients are compared as well.
    """
    name: str
    function: str
    inputs: Dict[str, torch.Tensor]
    options: Dict[str, Any]
    differentiable: Tuple[str, ...] = ()


def run_case(case: Case) -> Dict[str, np.ndarray]:
    """Results by name: ``result0`` and so on, and ``grad_<input>`` for a fixed gradient of the first result."""
    function = getattr(importlib.import_module('mmcv.ops'), case.function)
    inputs = {name: tensor.clone() for name, tensor in case.inputs.items()}
    for name in case.differentiable:
        inputs[name].requires_grad_()
    results = function(*inputs.values(), *case.options.values())
    if case.function == 'nms_match':  # a list of groups: to one array, with -1 before each group
        results = torch.cat([torch.empty(0, dtype=torch.long), *(F.pad(group, (1, 0), value=-1) for group in results)])
    results = results if isinstance(results, tuple) else (results, )
    outputs = {f'result{index}': result.detach().numpy() for index, result in enumerate(results)}
    if case.differentiable:
        results[0].backward(torch.linspace(-1, 2, results[0].numel(), dtype=results[0].dtype).view_as(results[0]))
        outputs.update({f'grad_{name}': inputs[name].grad.numpy() for name in case.differentiable})
    return outputs


def cases() -> List[Case]:
    """All cases, the same in every call."""
    return [*_nms_cases(), *_roi_align_cases(), *_deform_conv_cases()]


def _floats(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.float32))


def _nms_cases() -> List[Case]:
    rng = np.random.RandomState(0)
    corners = rng.uniform(0, 60, (120, 2))
    whole = rng.randint(0, 6, (16, 2))
    boxes = {
        'random': (np.hstack((corners, corners + rng.uniform(5, 40, (120, 2)))), rng.permutation(120) / 120),
        'ties': (np.hstack((whole, whole + rng.randint(1, 6, (16, 2)))), rng.randint(1, 4, 16) / 4),
        # No width, no height, neither, negative sizes; twice each, so that 0 / 0 occurs.
        'degenerate': (np.array([[1, 1, 1, 5], [1, 1, 5, 1], [2, 2, 2, 2], [5, 5, 2, 2], [0, 0, 6, 6]] * 2),
                       np.arange(10, 0, -1) / 10),
        'single': (np.array([[0, 0, 10, 10]]), np.array([0.5])),
        'empty': (np.zeros((0, 4)), np.zeros(0)),
    }
    found = []
    for kind, (corners, scores) in boxes.items():
        inputs = {'boxes': _floats(corners), 'scores': _floats(scores)}
        for offset in (0, 1):
            for threshold in (0., 0.5):
                found.append(Case(f'nms-{kind}-offset{offset}-iou{threshold}', 'nms', inputs,
                                  {'iou_threshold': threshold, 'offset': offset}))
            for method, min_score in (('naive', 1e-3), ('linear', 1e-3), ('gaussian', 1e-3), ('gaussian', 0.3)):
                options = {'iou_threshold': 0.3, 'sigma': 0.5, 'min_score': min_score, 'method': method,
                           'offset': offset}
                name = f'soft_nms-{kind}-offset{offset}-{method}-min{min_score}'
                found.append(Case(name, 'soft_nms', inputs, options))
        dets = torch.cat((inputs['boxes'], inputs['scores'][:, None]), dim=1)
        found.append(Case(f'nms_match-{kind}', 'nms_match', {'dets': dets}, {'iou_threshold': 0.4}))
    return found


def _roi_align_cases() -> List[Case]:
    rng = np.random.RandomState(1)
    features = _floats(rng.standard_normal((2, 2, 9, 13)))
    # Inside; across two borders; on whole pixels; without area; whole image; outside; on the border of validity.
    rois = _floats([[0, 4.2, 3.1, 20.7, 15.9], [1, -6, -4, 9, 12], [0, 8, 8, 24, 24], [1, 10, 10, 10, 10],
                    [0, 0, 0, 52, 36], [1, 70, 50, 90, 80], [0, -4, -4, 56, 40]])
    found = []
    for pool_mode in ('avg', 'max'):
        for aligned in (True, False):
            for ratio in (0, 2):
                options = {'output_size': (3, 2), 'spatial_scale': 0.25, 'sampling_ratio': ratio,
                           'pool_mode': pool_mode, 'aligned': aligned}
                for kind, boxes in (('boxes', rois), ('empty', rois[:0])):
                    found.append(Case(f'roi_align-{kind}-{pool_mode}-aligned{int(aligned)}-ratio{ratio}', 'roi_align',
                                      {'input': features, 'rois': boxes}, options, ('input', )))
    return found


def _deform_conv_cases() -> List[Case]:
    rng = np.random.RandomState(2)
    # stride, padding, dilation, groups, deform_groups; kernels are 3 x 2
    geometries = [(1, 1, 1, 1, 1), (2, 1, 1, 2, 1), ((1, 2), (2, 1), (2, 1), 1, 2), (1, 1, 1, 2, 2)]
    found = []
    for index, (stride, padding, dilation, groups, deform_groups) in enumerate(geometries):
        options = {'stride': stride, 'padding': padding, 'dilation': dilation, 'groups': groups,
                   'deform_groups': deform_groups}
        features, weight = rng.standard_normal((2, 4, 4, 5)), rng.standard_normal((4, 4 // groups, 3, 2))
        size = F.conv2d(_floats(features), _floats(weight), None, stride, padding, dilation, groups).shape[2:]
        random = rng.standard_normal((2, deform_groups * 6 * 2, *size))
        # Without offsets, taps lie exactly on -1 and on the last row, where the derivative jumps.
        for kind, offset in (('random', 2 * random), ('whole', np.round(2 * random)), ('zero', 0 * random)):
            inputs = {'input': _floats(features), 'offset': _floats(offset), 'weight': _floats(weight)}
            found.append(Case(f'deform_conv2d-{kind}-{index}', 'deform_conv2d', inputs, options, tuple(inputs)))
            inputs = {'input': _floats(features), 'offset': _floats(offset),
                      'mask': _floats(rng.uniform(0, 1, (2, deform_groups * 6, *size))), 'weight': _floats(weight),
                      'bias': _floats(rng.standard_normal(4))}
            found.append(Case(f'modulated_deform_conv2d-{kind}-{index}', 'modulated_deform_conv2d', inputs, options,
                              tuple(inputs)))
    return found


def main(write: Callable[..., None] = np.savez_compressed) -> None:
    """Write the file.

    Raises:
        RuntimeError: if MMCV's compiled ops are not those of the wheel.
    """
    extension = importlib.import_module('mmcv._ext')
    if not str(extension.__file__).endswith('.so'):
        raise RuntimeError(f'mmcv._ext is {extension.__file__}; the reference must come from the compiled module.')
    arrays = {'names': np.array([name for name in dir(extension) if not name.startswith('_')])}
    for case in cases():
        arrays.update({f'{case.name}/{key}': array for key, array in run_case(case).items()})
    write(TARGET, **arrays)


if __name__ == '__main__':
    main()
