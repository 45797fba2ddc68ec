"""MMPose's COCO metrics on annotation files that are judged by the rules of our data sets."""
import json
import logging
from contextlib import redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

import numpy as np
from mmengine.logging import MessageHub, print_log
from mmpose.evaluation import metrics as mmpose_metrics
from xtcocotools.coco import COCO

from ..datasets.checked import joint_names
from ..datasets.faults import WHOLE_BODY, Layout
from ..datasets.judged_files import UNSAID, judge_file, refuse, say
from ..datasets.kinds import KEPT, KINDS
from ..registry import METRICS

if TYPE_CHECKING:  # what the mixin stands in front of
    from mmpose.evaluation.metrics import CocoMetric as _Metric
else:
    _Metric = object

# What is kept is said by the data set.
# Of a person's box, the share that the person fills on average, as COCO's evaluation has it.
AREA_PER_BOX = 0.53
_UNSAID = (*UNSAID, *(kind for kind, (_, in_training, _) in KINDS.items() if in_training == KEPT))


class _JudgedTruth(_Metric):
    """Mixin in front of one of MMPose's COCO metrics. It scores what our data sets make of an annotation file.

    Annotations that a data set leaves out are not scored; the log says which. Predictions have the category that people have
    in the file, where they name none that it has. Poses with NaN or infinite numbers count as missed, and are counted.

    Raises:
        FileNotFoundError: if ``ann_file`` does not exist.
        ValueError: if it cannot be used, naming the entry, in the words of the data set.
    """
    def __init__(self, ann_file: Optional[str] = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ann_file = ann_file
        self._people: Sequence[int] = ()
        self._categories: Sequence[int] = ()
        self._not_finite = 0

    @property
    def dataset_meta(self) -> Optional[dict]:
        """dict, optional: Meta information of the data set. Setting it reads the annotation file."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        if self.coco is None:
            self._load_truth(dataset_meta)
        mmpose_metrics.CocoMetric.dataset_meta.fset(self, dataset_meta)

    def _load_truth(self, dataset_meta: dict) -> None:
        name = dataset_meta['dataset_name']
        path = self.ann_file or MessageHub.get_current_instance().runtime_info.get(f'{name}_ann_file')
        if path is None:
            return
        truth = judge_file(path, self._layout(dataset_meta), needs_people=not self.format_only,
                           needs_crowd_index=self.iou_type == 'keypoints_crowd')
        refuse(truth.faults, path, type(self).__name__)
        say(truth.faults, path, type(self).__name__, _UNSAID)
        self._people = truth.people
        self._categories = [category['id'] for category in truth.content['categories']]
        for person in truth.content['annotations']:
            person.setdefault('area', person['bbox'][2] * person['bbox'][3] * AREA_PER_BOX)
            person.setdefault('num_keypoints', sum(flag > 0 for flag in person['keypoints'][2::3]))
        self.coco = COCO()
        self.coco.dataset = truth.content
        with redirect_stdout(StringIO()):
            self.coco.createIndex()

    @staticmethod
    def _layout(dataset_meta: dict) -> Layout:
        return Layout((('keypoints', dataset_meta['num_keypoints']), ), joint_names(dataset_meta))

    def process(self, data_batch: Sequence[dict], data_samples: Sequence[dict]) -> None:
        """MMPose's, with the file's category, and without poses that are no numbers."""
        start = len(self.results)
        super().process(data_batch, data_samples)
        for pred, _ in self.results[start:]:
            # Of bottom-up models it is a list, of what is annotated in the photo.
            category = np.asarray(pred['category_id'])
            if len(self._people) == 1 and category.ndim == 0 and int(category) not in self._categories:
                pred['category_id'] = self._people[0]
            self._keep_finite(pred)

    def _keep_finite(self, pred: Dict[str, Any]) -> None:
        keypoints, scores = np.asarray(pred['keypoints']), np.asarray(pred['keypoint_scores'])
        finite = np.isfinite(keypoints).all((1, 2)) & np.isfinite(scores).all(1) & np.isfinite(
            np.asarray(pred['bbox_scores'], dtype=float))
        if finite.all():
            return
        self._not_finite += int((~finite).sum())
        for key in ('keypoints', 'keypoint_scores', 'bbox', 'bbox_scores', 'areas'):
            if key in pred:
                pred[key] = np.asarray(pred[key])[finite]

    def compute_metrics(self, results: list) -> Dict[str, float]:
        if self._not_finite:
            print_log(f'{type(self).__name__} counts {self._not_finite} poses as missed: their joints or scores are NaN or '
                      'infinite. Was the model trained with a loss of NaN?', 'current', logging.ERROR)
            self._not_finite = 0
        return super().compute_metrics(results)


@METRICS.register_module()
class CocoMetric(_JudgedTruth, mmpose_metrics.CocoMetric):
    """MMPose's ``CocoMetric`` with :class:`_JudgedTruth`."""


@METRICS.register_module()
class CocoWholeBodyMetric(_JudgedTruth, mmpose_metrics.CocoWholeBodyMetric):
    """MMPose's ``CocoWholeBodyMetric`` with :class:`_JudgedTruth`, and results of the file's own category."""

    @staticmethod
    def _layout(dataset_meta: dict) -> Layout:
        return Layout(WHOLE_BODY, joint_names(dataset_meta))

    def results2json(self, keypoints: Dict[int, list], outfile_prefix: str) -> None:
        super().results2json(keypoints, outfile_prefix)
        persons: List[dict] = [person for persons in keypoints.values() for person in persons]
        if all(person['category_id'] == 1 for person in persons):
            return
        path = f'{outfile_prefix}.keypoints.json'
        with open(path) as file:
            entries = json.load(file)
        for entry, person in zip(entries, persons):
            entry['category_id'] = int(person['category_id'])
        with open(path, 'w') as file:
            json.dump(entries, file)
