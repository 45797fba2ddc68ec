"""The table of statistics that an evaluation ends with."""
from typing import Any, NamedTuple, Optional, Tuple

import numpy as np


class Row(NamedTuple):
    """One statistic.

    Attributes:
        measure: 'AP' (average precision) or 'AR' (average recall).
        iou_thr: threshold at which a detection matches; None averages over all of them.
        area: label of the range of object sizes.
        max_dets: which of ``params.maxDets`` limits the detections per image (an index).
    """
    measure: str
    iou_thr: Optional[float] = None
    area: str = 'all'
    max_dets: int = -1


KEYPOINT_ROWS: Tuple[Row, ...] = tuple(
    row for measure in ('AP', 'AR')
    for row in (Row(measure), Row(measure, .5), Row(measure, .75), Row(measure, area='medium'),
                Row(measure, area='large')))

CROWD_ROWS: Tuple[Row, ...] = tuple(Row(measure, iou_thr) for measure in ('AP', 'AR') for iou_thr in (None, .5, .75))

DETECTION_ROWS: Tuple[Row, ...] = (
    Row('AP'), Row('AP', .5), Row('AP', .75),
    *(Row('AP', area=area) for area in ('small', 'medium', 'large')),
    *(Row('AR', max_dets=index) for index in range(3)),
    *(Row('AR', area=area) for area in ('small', 'medium', 'large')),
)  # yapf: disable

_TITLES = dict(AP='Average Precision', AR='Average Recall')


def statistic(row: Row, precision: np.ndarray, recall: np.ndarray, params: Any) -> float:
    """Value of one row.

    Args:
        row (Row): which statistic.
        precision (np.ndarray): (thresholds, recalls, categories, areas, limits), -1 where there is no ground truth.
        recall (np.ndarray): (thresholds, categories, areas, limits), likewise.
        params: pycocotools' parameters of the evaluation.

    Returns:
        float: mean in [0, 1], or -1 where there is no ground truth, or the area was not evaluated.
    """
    if row.area not in params.areaRngLbl:
        return -1.
    values = precision if row.measure == 'AP' else recall
    values = values[..., params.areaRngLbl.index(row.area), row.max_dets]
    if row.iou_thr is not None:
        values = values[np.isclose(params.iouThrs, row.iou_thr)]
    values = values[values > -1]
    return float(values.mean()) if values.size else -1.


def row_text(row: Row, value: float, params: Any) -> str:
    """One row as COCO's tools print it."""
    thresholds = f'{params.iouThrs[0]:0.2f}:{params.iouThrs[-1]:0.2f}' if row.iou_thr is None else f'{row.iou_thr:0.2f}'
    return (f' {_TITLES[row.measure]:<18} ({row.measure}) @[ IoU={thresholds:<9} | area={row.area:>6s} | '
            f'maxDets={params.maxDets[row.max_dets]:>3d} ] = {value: 0.3f}')


def crowd_text(level: str, value: float, params: Any) -> str:
    """The precision on one level of crowding, as CrowdPose's tools print it."""
    return (f' {_TITLES["AP"]:<18} (AP) @[ IoU={params.iouThrs[0]:0.2f}:{params.iouThrs[-1]:0.2f} | '
            f'type={level:>6s} | maxDets={params.maxDets[-1]:>3d} ] = {value:0.3f}')
