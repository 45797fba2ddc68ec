"""COCO evaluation of boxes, masks and every key point layout that MMPose knows."""
import contextlib
import copy
import io
import itertools
import time
import warnings
from collections import defaultdict
from typing import Any, Dict, Optional, Sequence

import numpy as np
from pycocotools.cocoeval import COCOeval as PycocoCOCOeval

from .iou_types import KEYPOINT_TYPES, check_iou_type, pose_of
from .oks import oks_matrix
from .summary import CROWD_ROWS, DETECTION_ROWS, KEYPOINT_ROWS, crowd_text, row_text, statistic

# Of a person's box, the share that the person fills on average; it replaces a missing area.
AREA_PER_BOX = 0.53
# CrowdPose: below the first crowd index an image is easy, below the second medium, else hard.
CROWD_LEVELS = (0.2, 0.8)
COCO_SIGMAS = np.array(
    [.26, .25, .25, .35, .35, .79, .79, .72, .72, .62, .62, 1.07, 1.07, .87, .87, .89, .89]) / 10


class COCOeval(PycocoCOCOeval):
    """pycocotools' COCOeval for all key point layouts.

    Beyond pycocotools: own sigmas; ``iouType`` may be any key of ``KEYPOINT_TYPES``; objects may lack an area; ids may
    start at 0. Annotations are evaluated through copies and stay as they are.

    Args:
        cocoGt (COCO, optional): annotations.
        cocoDt (COCO, optional): results, from ``cocoGt.loadRes``.
        iouType (str): 'segm', 'bbox', or a key of ``KEYPOINT_TYPES``. Defaults to 'keypoints'.
        sigmas (Sequence[float], optional): (K,) spread of each joint's labels. Defaults to COCO's 17 joints.
        use_area (bool): take an object's size from its ``area``. Otherwise, and where there is none, it is
            0.53 * w * h of its box. Defaults to True.

    Attributes:
        evalImgs (list): per category, area range and image (in this nesting) None or a dict; there ``dtMatches`` and
            ``gtMatches`` hold the partner's id, or -1.
        stats (np.ndarray): after :meth:`summarize`. Boxes and masks: 12 numbers. Key points: AP, AP .5, AP .75,
            AP (M), AP (L), and the same for AR. 'keypoints_crowd': AP, AP .5, AP .75, AR, AR .5, AR .75, AP easy,
            medium, hard.

    Source:
        xtcocotools 1.14.3, cocoeval.py. Differences: an unknown ``iouType`` is refused; 'keypoints_crowd' takes
        ``crowdIndex`` from the loaded images instead of reading the file again, and ``eval`` stays that of all images
        instead of the hard ones; an annotation without area is allowed with ``use_area=True`` too.
    """
    evalImgs: Any  # until evaluate() has filled it a dict, as in pycocotools
    eval: Dict[str, Any]

    def __init__(self,
                 cocoGt: Optional[Any] = None,
                 cocoDt: Optional[Any] = None,
                 iouType: str = 'keypoints',
                 sigmas: Optional[Sequence[float]] = None,
                 use_area: bool = True) -> None:
        check_iou_type(iouType)
        super().__init__(cocoGt, cocoDt, 'keypoints' if iouType in KEYPOINT_TYPES else iouType)
        self.params.iouType = iouType
        self.sigmas = np.asarray(COCO_SIGMAS if sigmas is None else sigmas, dtype=np.float64)
        self.use_area = use_area
        self.score_key = KEYPOINT_TYPES[iouType].score_key if iouType in KEYPOINT_TYPES else 'score'

    def evaluate(self) -> None:
        """Match results and annotations image by image; fills ``evalImgs``."""
        p = self.params
        if p.useSegm is not None or p.iouType not in KEYPOINT_TYPES:
            super().evaluate()
            return
        start = time.time()
        print('Running per image evaluation...')
        print(f'Evaluate annotation type *{p.iouType}*')
        p.imgIds = list(np.unique(p.imgIds))
        p.catIds = list(np.unique(p.catIds)) if p.useCats else p.catIds
        p.maxDets = sorted(p.maxDets)
        self._prepare()
        categories = p.catIds if p.useCats else [-1]
        self.ious = {(image, category): self.computeOks(image, category)
                     for image in p.imgIds for category in categories}
        self.evalImgs = [self.evaluateImg(image, category, area_range, p.maxDets[-1])
                         for category in categories for area_range in p.areaRng for image in p.imgIds]
        self._paramsEval = copy.deepcopy(p)
        print(f'DONE (t={time.time() - start:0.2f}s).')

    def _prepare(self) -> None:
        """Copy what the evaluation needs of each annotation and result into the form that pycocotools evaluates.

        The copies are numbered from 1, as pycocotools takes the id 0 for "no match"; ``evaluateImg`` turns the numbers
        back into ids.
        """
        p = self.params
        self._gts, self._dts = defaultdict(list), defaultdict(list)
        self.evalImgs, self.eval = defaultdict(list), {}
        categories = p.catIds if p.useCats else []
        gts = self.cocoGt.loadAnns(self.cocoGt.getAnnIds(imgIds=p.imgIds, catIds=categories))
        dts = self.cocoDt.loadAnns(self.cocoDt.getAnnIds(imgIds=p.imgIds, catIds=categories))
        self._gt_ids = np.array([-1, *(gt['id'] for gt in gts)], dtype=np.int64)
        self._dt_ids = np.array([-1, *(dt['id'] for dt in dts)], dtype=np.int64)
        for number, gt in enumerate(gts, 1):
            self._gts[gt['image_id'], gt['category_id']].append(self._ground_truth(gt, number))
        for number, dt in enumerate(dts, 1):
            detection = self._detection(dt, number)
            # A result without any joint of the layout says nothing about it: it is no false positive either.
            if p.iouType not in KEYPOINT_TYPES or (detection['keypoints'][:, 2] > 0).any():
                self._dts[dt['image_id'], dt['category_id']].append(detection)
        if any(self.score_key not in dt for dt in dts):
            warnings.warn(f"'{self.score_key}' not found, use 'score' instead.", stacklevel=2)

    def _ground_truth(self, gt: Dict[str, Any], number: int) -> Dict[str, Any]:
        iou_type = self.params.iouType
        iscrowd = int(gt.get('iscrowd', 0))
        if self.use_area and 'area' in gt:
            area = gt['area']
        else:
            area = gt['bbox'][2] * gt['bbox'][3] * AREA_PER_BOX
        copied = dict(id=number, bbox=gt.get('bbox'), area=area, iscrowd=iscrowd, ignore=iscrowd)
        if iou_type == 'segm':
            copied['segmentation'] = self.cocoGt.annToRLE(gt)
        elif iou_type in KEYPOINT_TYPES:
            copied['keypoints'] = pose_of(gt, iou_type, len(self.sigmas))
            # CrowdPose counts only joints with v = 2 in num_keypoints.
            labelled = gt['num_keypoints'] if iou_type == 'keypoints_crowd' else (copied['keypoints'][:, 2] > 0).any()
            copied['ignore'] = iscrowd or not labelled
        return copied

    def _detection(self, dt: Dict[str, Any], number: int) -> Dict[str, Any]:
        iou_type = self.params.iouType
        score = dt[self.score_key] if self.score_key in dt else dt['score']
        copied = dict(id=number, bbox=dt.get('bbox'), area=dt['area'], score=score)
        if iou_type == 'segm':
            copied['segmentation'] = self.cocoDt.annToRLE(dt)
        elif iou_type in KEYPOINT_TYPES:
            copied['keypoints'] = pose_of(dt, iou_type, len(self.sigmas))
        return copied

    def computeOks(self, imgId: int, catId: int) -> Any:
        """OKS of the results with the annotations of one image and category.

        Args:
            imgId (int): image.
            catId (int): category.

        Returns:
            np.ndarray | list: (D, G) float64, results in the order of falling scores, at most ``maxDets[-1]``; an
                empty list where there are no results or no annotations.
        """
        gts, dts = self._gts[imgId, catId], self._dts[imgId, catId]
        if not gts or not dts:
            return []
        best_first = np.argsort([-dt['score'] for dt in dts], kind='mergesort')[:self.params.maxDets[-1]]
        return oks_matrix(
            detected=np.stack([dts[i]['keypoints'] for i in best_first]),
            labelled=np.stack([gt['keypoints'] for gt in gts]),
            boxes=np.array([gt['bbox'] for gt in gts], dtype=np.float64),
            areas=np.array([gt['area'] for gt in gts], dtype=np.float64),
            sigmas=self.sigmas)

    def evaluateImg(self, imgId: int, catId: int, aRng: Sequence[float], maxDet: int) -> Optional[Dict[str, Any]]:
        """Match results and annotations of one image, category and range of areas.

        Args:
            imgId (int): image.
            catId (int): category; -1 for all with ``useCats=0``.
            aRng (Sequence[float]): (low, high), both included, in pixels squared; annotations outside are ignored.
            maxDet (int): how many results count, best first.

        Returns:
            dict | None: an entry of ``evalImgs``. In ``dtMatches`` and ``gtMatches`` -1 stands for none; as it may be an id,
            too, ``dtMatched`` says which results have a match.
        """
        matched = super().evaluateImg(imgId, catId, aRng, maxDet)
        if matched is not None:
            matched['dtIds'] = self._dt_ids[np.array(matched['dtIds'], dtype=np.intp)].tolist()
            matched['gtIds'] = self._gt_ids[np.array(matched['gtIds'], dtype=np.intp)].tolist()
            matched['dtMatched'] = matched['dtMatches'] > 0
            matched['dtMatches'] = self._gt_ids[matched['dtMatches'].astype(np.intp)]
            matched['gtMatches'] = self._dt_ids[matched['gtMatches'].astype(np.intp)]
        return matched

    def accumulate(self, p: Optional[Any] = None) -> None:
        """Precision and recall over all images, into ``eval``.

        Args:
            p: pycocotools' parameters. Defaults to ``params``.
        """
        matched = self.evalImgs
        # pycocotools reads every number but 0 as a match.
        self.evalImgs = [entry and dict(entry, dtMatches=entry['dtMatched']) for entry in matched]
        try:
            super().accumulate(p)
        finally:
            self.evalImgs = matched

    def summarize(self) -> None:
        """Print the statistics and keep them in ``stats``.

        Raises:
            RuntimeError: before :meth:`accumulate`.
            ValueError: for 'keypoints_crowd', if an image has no ``crowdIndex``.
        """
        if not self.eval:
            raise RuntimeError('there is nothing to summarize: call evaluate() and accumulate() first.')
        p = self.params
        is_crowd = p.iouType == 'keypoints_crowd'
        rows = CROWD_ROWS if is_crowd else KEYPOINT_ROWS if p.iouType in KEYPOINT_TYPES else DETECTION_ROWS
        stats = []
        for row in rows:
            stats.append(statistic(row, self.eval['precision'], self.eval['recall'], p))
            print(row_text(row, stats[-1], p))
        if is_crowd:
            levels = self._precision_by_crowding()
            for level, value in levels.items():
                print(crowd_text(level, value, p))
            stats.extend(levels.values())
        self.stats = np.array(stats)

    def _precision_by_crowding(self) -> Dict[str, float]:
        """AP on the easy, the medium and the hard images, rounded to 4 decimals as CrowdPose's tools do."""
        images = [self.cocoGt.imgs[image] for image in self._paramsEval.imgIds]
        lacking = [image['id'] for image in images if 'crowdIndex' not in image]
        if lacking:
            raise ValueError(f"iouType='keypoints_crowd' needs the entry crowdIndex in each image of the annotations; "
                             f'image {lacking[0]} has none. Add it, or evaluate with \'keypoints\'.')
        level_of = np.digitize([image['crowdIndex'] for image in images], CROWD_LEVELS)
        return {name: round(self._precision_on(level_of == level), 4)
                for level, name in enumerate(('easy', 'medium', 'hard'))}

    def _precision_on(self, chosen: np.ndarray) -> float:
        """Mean precision on some of the evaluated images, over objects of any size.

        Matching never crosses images, so this selects from ``evalImgs`` instead of evaluating again. A category without
        ground truth among them counts as -1, as in CrowdPose's tools.

        Args:
            chosen (np.ndarray): (images,) bool, in the order of the evaluated images.
        """
        everything = (self._paramsEval, self.evalImgs, self.eval)
        try:
            # Images are the innermost nesting of evalImgs.
            self.evalImgs = list(itertools.compress(self.evalImgs, itertools.cycle(chosen)))
            self._paramsEval = copy.copy(self._paramsEval)
            self._paramsEval.imgIds = list(itertools.compress(self._paramsEval.imgIds, chosen))
            with contextlib.redirect_stdout(io.StringIO()):
                self.accumulate(self._paramsEval)
            return float(self.eval['precision'][:, :, :, 0, :].mean())
        finally:
            self._paramsEval, self.evalImgs, self.eval = everything
