"""PCK of the torso, the metric of Leeds Sports Pose."""
from typing import Dict, Optional, Sequence, Tuple

import numpy as np
from mmengine.logging import MMLogger
from mmpose.evaluation.functional import keypoint_pck_accuracy
from mmpose.evaluation.metrics import PCKAccuracy

from ..registry import METRICS


@METRICS.register_module()
class TorsoPCKAccuracy(PCKAccuracy):
    """Share of joints within ``thr`` of the torso's length from their label: PCK as it is reported on Leeds Sports Pose.

    The torso reaches from one shoulder to the hip of the other side. MMPose's ``PCKAccuracy(norm_item='torso')`` is for JHMDB
    alone: it takes joints 4 and 5, whatever they are. As there, the share is counted joint by joint, then averaged over joints;
    joints without a label do not count.

    Args:
        thr (float): Bound on the distance as a share of the torso's length. Defaults to 0.2, that of the literature.
        torso (tuple[str, str]): Names of the joints at the torso's ends. Defaults to the left shoulder and the right hip.
        collect_device (str): ``'cpu'`` or ``'gpu'``: where results of several processes are collected.
        prefix (str, optional): Put before the name of the number, ``tPCK``.

    People without a torso (an end of it has no label, or both are one point) are left out; how many is logged.

    Raises:
        ValueError: if ``thr`` is not above 0; on the first batch, if the data set has no joint of one of these names.

    Source: Yang and Ramanan, "Articulated human detection with flexible mixtures of parts" (PCK), with the torso of Wei et al.,
    "Convolutional pose machines".
    """

    def __init__(self,
                 thr: float = 0.2,
                 torso: Tuple[str, str] = ('left_shoulder', 'right_hip'),
                 collect_device: str = 'cpu',
                 prefix: Optional[str] = None) -> None:
        if not thr > 0:
            raise ValueError(f'thr={thr!r} must be a share of the torso above 0, for example 0.2.')
        if isinstance(torso, str) or len(torso) != 2:
            raise ValueError(f"torso={torso!r} must be the names of two joints, for example ('left_shoulder', 'right_hip').")
        super().__init__(thr, 'bbox', collect_device, prefix)
        self.torso = tuple(torso)

    def process(self, data_batch: Sequence[dict], data_samples: Sequence[dict]) -> None:
        ids = self._joint_ids()
        first = len(self.results)
        super().process(data_batch, data_samples)
        for result in self.results[first:]:
            result['torso_size'] = _length(result['gt_coords'][0, ids], result['mask'][0, ids])

    def compute_metrics(self, results: list) -> Dict[str, float]:
        measured = [result for result in results if result['torso_size'] > 0]
        if len(measured) < len(results):
            MMLogger.get_current_instance().warning(
                f'{type(self).__name__} leaves out {len(results) - len(measured)} of {len(results)} people: their torso, '
                f'{self.torso[0]} to {self.torso[1]}, is not labelled, or has no length.')
        if not measured:
            return dict(tPCK=float('nan'))
        sizes = np.array([result['torso_size'] for result in measured])
        predicted, labelled, mask = (np.concatenate([result[key] for result in measured])
                                     for key in ('pred_coords', 'gt_coords', 'mask'))
        return dict(tPCK=keypoint_pck_accuracy(predicted, labelled, mask, self.thr, np.stack([sizes, sizes], axis=1))[1])

    def _joint_ids(self) -> list:
        known = self.dataset_meta['keypoint_name2id']
        missing = [name for name in self.torso if name not in known]
        if missing:
            raise ValueError(f'torso={self.torso} names {" and ".join(missing)}, which the data set '
                             f'{self.dataset_meta.get("dataset_name", "")!r} does not have. It has {", ".join(known)}.')
        return [known[name] for name in self.torso]


def _length(ends: np.ndarray, labelled: np.ndarray) -> float:
    """Distance of two joints (2, 2) in px, 0 unless both are labelled (2,)."""
    return float(np.linalg.norm(ends[0] - ends[1])) if labelled.all() else 0.
