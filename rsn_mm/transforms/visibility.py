"""Tell occluded joints from visible ones."""
import numpy as np
from mmcv.transforms import BaseTransform

from ..registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadVisibility(BaseTransform):
    """Bring back COCO's flag of occluded joints, which MMPose's data sets merge with that of visible ones.

    Put it before ``PackPoseInputs``, and after ``GenerateTarget`` if there is one: joints of both kinds have targets and
    weights. Joints that a transform before it has hidden stay hidden.

    Required keys: ``raw_ann_info`` with COCO's ``keypoints`` (x, y, v, ...), ``keypoints_visible`` (1, K); and, if the
    person was mirrored, ``flip`` and ``flip_indices``.

    Modified key: ``keypoints_visible`` (1, K) float32: 0 not labelled, 0.5 labelled but occluded (v = 1), 1 visible (v = 2).

    Raises:
        ValueError: if the annotation has another number of joints than the sample.
    """

    def transform(self, results: dict) -> dict:
        flags = np.asarray(results['raw_ann_info']['keypoints'], dtype=np.float32).reshape(1, -1, 3)[..., 2]
        shape = results['keypoints_visible'].shape
        if flags.shape != shape:
            raise ValueError(f'Annotation {results.get("id")} has {flags.shape[1]} joints, the sample {shape}. '
                             'LoadVisibility reads top-down data sets in COCO format; leave it out for others.')
        if results.get('flip', False):
            flags = flags.take(results['flip_indices'], axis=1)
        results['keypoints_visible'] = np.minimum(results['keypoints_visible'], np.clip(flags, 0, 2) / 2)
        return results
