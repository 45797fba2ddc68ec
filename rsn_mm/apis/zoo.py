"""What can be named: our models and the person detectors, where their weights are, and which of them a machine takes."""
import logging
import re
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..downloads import OPENMMLAB, DownloadError, fetch, is_address, place_of
from ..model_index import USUAL_ENDING, entries, full_name, weights_of

logger = logging.getLogger('rsn_mm.apis')

# The model whose weights are part of the package.
SHIPPED = 'rsn18_lsp_128x96'
JOINTS = {'COCO': 17, 'MPII': 16, 'COCO-WholeBody': 133, 'CrowdPose': 14, 'Leeds Sports Pose and its extension': 14}
# Most MACs that a person may cost where nobody named a model: RSN-50 on a CPU, anything on a GPU (docs/inference.md).
MOST_MACS = {'cpu': 4.5e9, 'gpu': float('inf')}
_IN_PACKAGE, _DOWNLOADED, _TO_BE_DOWNLOADED, _NONE = 'in the package', 'downloaded', 'to be downloaded', 'none yet'


class PersonDetector(NamedTuple):
    """A detector of people: its config below ``.mim`` of the installed MMPose, its checkpoint's address and size in bytes."""
    config: str
    weights: str
    input_size: str
    num_bytes: int


# Those of MMPose's demos and of its inferencer. nano for a CPU, m for a GPU: docs/inference.md has their times.
DETECTORS = {
    'rtmdet_nano_person': PersonDetector(
        'demo/mmdetection_cfg/rtmdet_nano_320-8xb32_coco-person.py',
        f'{OPENMMLAB}/mmpose/v1/projects/rtmpose/rtmdet_nano_8xb32-100e_coco-obj365-person-05d8511e.pth', '320x320', 4_000_000),
    'rtmdet_m_person': PersonDetector(
        'demo/mmdetection_cfg/rtmdet_m_640-8xb32_coco-person.py',
        f'{OPENMMLAB}/mmpose/v1/projects/rtmposev1/rtmdet_m_8xb32-100e_coco-obj365-person-235e8209.pth', '640x640', 99_149_914),
}
DETECTOR_OF = {'cpu': 'rtmdet_nano_person', 'gpu': 'rtmdet_m_person'}


class Model(NamedTuple):
    """A row of the table of models.

    Attributes:
        name (str): Name of the config.
        short (str): The shortest name that stands for it.
        data (str): Data set whose joints it knows; empty where the model index does not say.
        joints (int | None): Their number; None for a detector, and where ``JOINTS`` has no such data set.
        input_size (str): Height x width in px; may be empty, too.
        result (str): Number and metric, as printed by ``whose``; empty where nobody has printed one.
        whose (str): ``MMPose`` or ``this project`` for the weights' own number, ``the paper`` where there are no weights.
        macs (float | None): Multiply-adds of a person.
        weights (str | None): Path in the package, or address.
        num_bytes (int | None): Size of the weights; of those that are still to be downloaded, 4 bytes a
            parameter, if the model index gives their number.
        state (str): ``in the package``, ``downloaded``, ``to be downloaded`` or ``none yet``.
    """
    name: str
    short: str
    data: str
    joints: Optional[int]
    input_size: str
    result: str
    whose: str
    macs: Optional[float]
    weights: Optional[str]
    num_bytes: Optional[int]
    state: str


def all_models() -> List[Model]:
    """Our models, those with weights first, and the person detectors."""
    rows = [_row(name, entry) for name, entry in entries().items()]
    return sorted(rows, key=lambda row: row.weights is None) + [_detector_row(name) for name in DETECTORS]


def usable_models(device: str) -> List[str]:
    """Models of people on COCO with weights that a device computes at a usable speed, best AP first; then the package's own.

    Args:
        device (str): ``cpu``, or anything else for a GPU.
    """
    rows = [row for row in all_models() if row.weights is not None and is_address(row.weights) and row.data == 'COCO'
            and row.macs is not None and row.macs <= MOST_MACS[_kind(device)]]
    return [row.name for row in sorted(rows, key=_ap, reverse=True)] + [SHIPPED]


def take_model(device: str) -> str:
    """The best model that a device runs at a usable speed and whose weights can be had; they are downloaded if need be.

    Where they cannot be, the best whose weights are at hand, and a warning says so.
    """
    names = usable_models(device)
    best = weights_of(names[0])
    try:
        if best is not None and is_address(best):
            fetch(best)
        return names[0]
    except DownloadError as error:
        instead = next(name for name in names if is_at_hand(weights_of(name)))
        logger.warning('%s is taken in the place of %s: %s', instead, names[0], error)
        return instead


def weights_by_name(name: str) -> str:
    """Address or path of the weights of one of our models or detectors, or of a model of MMPose or MMDetection.

    Raises:
        ValueError: if there is no such model, or it has no weights.
    """
    if name in DETECTORS:
        return DETECTORS[name].weights
    weights = weights_of(full_name(name))
    if weights is None and full_name(name) not in entries():
        from .configs import find_model  # imports MMEngine
        try:
            weights = find_model(name).weights
        except ValueError as error:
            try:
                weights = find_model(name, 'mmdet').weights
            except ValueError:
                raise error from None
    if weights is None:
        raise ValueError(f'{name!r} has no weights: it has to be trained. rsn-mm models --with-weights lists those that have.')
    return weights


def default_detector(device: str) -> str:
    """Name of the person detector that a device takes."""
    return DETECTOR_OF[_kind(device)]


def state_of(weights: Optional[str]) -> str:
    """Where weights are."""
    if weights is None:
        return _NONE
    if not is_address(weights):
        return _IN_PACKAGE
    return _DOWNLOADED if place_of(weights).is_file() else _TO_BE_DOWNLOADED


def is_at_hand(weights: Optional[str]) -> bool:
    """Whether weights can be had without a network."""
    return state_of(weights) in (_IN_PACKAGE, _DOWNLOADED)


def _kind(device: str) -> str:
    return 'cpu' if device == 'cpu' else 'gpu'


def _ap(row: Model) -> float:
    found = re.match(r'[\d.]+', row.result)
    return float(found[0]) if found else 0.


def _row(name: str, entry: Dict[str, Any]) -> Model:
    facts, weights = entry['Metadata'], weights_of(name)
    short = name.removesuffix(USUAL_ENDING)
    result, whose = _result(facts, weights)
    data = facts.get('Training Data', '')
    num_bytes = 4 * int(facts['Parameters']) if 'Parameters' in facts else None
    return Model(name, short if full_name(short) == name else name, data, JOINTS.get(data), facts.get('Input Size', ''), result,
                 whose, facts.get('MACs'), weights, _size(weights, num_bytes), state_of(weights))


def _result(facts: Dict[str, Any], weights: Optional[str]) -> Tuple[str, str]:
    """Number with its metric, and whose it is. The paper's numbers are not those of other people's weights."""
    if weights is None:
        return facts.get('Paper Result', '').split(' (')[0], 'the paper' if 'Paper Result' in facts else ''
    return facts.get('Weights Result', '').split(',')[0], facts.get('Weights From', '').split(',')[0]


def _detector_row(name: str) -> Model:
    detector = DETECTORS[name]
    return Model(name, name, 'COCO, Objects365', None, detector.input_size, '', '', None, detector.weights,
                 _size(detector.weights, detector.num_bytes), state_of(detector.weights))


def _size(weights: Optional[str], otherwise: Optional[int]) -> Optional[int]:
    if weights is None:
        return None
    path = place_of(weights) if is_address(weights) else Path(weights)
    return path.stat().st_size if path.is_file() else otherwise

