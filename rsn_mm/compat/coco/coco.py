"""COCO annotation files with the extras of xtcocotools."""
import json
import math
import os
from typing import Any, Dict, List, Optional, Sequence, Union

import numpy as np
from pycocotools.coco import COCO as PycocoCOCO

Annotations = List[Dict[str, Any]]
Results = Union[str, os.PathLike, np.ndarray, Annotations]


class COCO(PycocoCOCO):
    """pycocotools' COCO as MMPose expects it.

    Beyond pycocotools: annotations without ``iscrowd`` count as single objects, key points can be reduced to a subset,
    and empty results load.

    Args:
        annotation_file (str, optional): JSON file in COCO's format. None makes an empty object.
        test_index (Sequence[int], optional): the key points to keep of each annotation, in this order.
            Defaults to None, which keeps all.
        ann_data (dict, optional): content of the annotation file, if it is already in memory. It is not copied.

    Attributes:
        anno_file (list): the annotation file, and after :meth:`loadRes` the first result file.

    Source:
        xtcocotools 1.14.3, coco.py. Differences: ``ann_data`` needs no ``annotation_file`` beside it; ``showAnns``
        is pycocotools', so it draws no annotation that has a box only.
    """

    def __init__(self,
                 annotation_file: Optional[str] = None,
                 test_index: Optional[Sequence[int]] = None,
                 ann_data: Optional[Dict[str, Any]] = None) -> None:
        self.anno_file: List[Any] = [annotation_file]
        self.test_index = test_index
        super().__init__(annotation_file if ann_data is None else None)
        if ann_data is not None:
            self.dataset = ann_data
            self.createIndex()
        for ann in self.dataset.get('annotations', ()):
            ann.setdefault('iscrowd', False)
            if test_index is not None:
                ann['keypoints'] = np.reshape(ann['keypoints'], (-1, 3))[list(test_index)].reshape(-1).tolist()

    def getAnnIds(self,
                  imgIds: Any = (),
                  catIds: Any = (),
                  areaRng: Sequence[float] = (),
                  iscrowd: Optional[bool] = None) -> List[int]:
        """Ids of the annotations that pass all given filters; an empty filter passes everything.

        Args:
            imgIds (int | Sequence[int]): images.
            catIds (int | Sequence[int]): categories.
            areaRng (Sequence[float]): (low, high) in pixels squared: low <= area < high. pycocotools leaves out low.
            iscrowd (bool, optional): crowds only, or single objects only.

        Returns:
            list[int]: ids, image by image in the order of ``imgIds``.
        """
        if len(areaRng):
            areaRng = (math.nextafter(areaRng[0], -math.inf), areaRng[1])
        return super().getAnnIds(imgIds, catIds, areaRng, iscrowd)

    def getCatIds(self, catNms: Any = (), supNms: Any = (), catIds: Any = ()) -> List[int]:
        """Ids of the categories that pass all given filters; an empty filter passes everything.

        Args:
            catNms (str | Sequence[str]): names. pycocotools takes a single string for a list of letters.
            supNms (str | Sequence[str]): names of supercategories.
            catIds (int | Sequence[int]): ids.

        Returns:
            list[int]: ids in the order of the annotation file.
        """
        catNms = [catNms] if isinstance(catNms, str) else catNms
        supNms = [supNms] if isinstance(supNms, str) else supNms
        return super().getCatIds(catNms, supNms, catIds)

    def loadRes(self, resFile: Results, resData: Optional[Annotations] = None) -> 'COCO':
        """Results as a COCO object of their own, over the images of this one.

        Args:
            resFile (str | np.ndarray | list[dict]): a JSON file, the results themselves, or boxes as an array of
                shape (N, 7): image id, x, y, w, h (pixels), score, category id.
            resData (list[dict], optional): content of the file, if it is already in memory.

        Returns:
            COCO: the results, numbered from 1. There may be none of them.

        Raises:
            AssertionError: if a result belongs to an image that the annotations do not have.
        """
        if len(self.anno_file) == 1:
            self.anno_file.append(resFile)
        anns: Any = resFile
        if isinstance(resFile, (str, os.PathLike)):
            anns = resData
            if anns is None:
                with open(resFile) as file:
                    anns = json.load(file)
        results = COCO()
        if len(anns):
            results.__dict__.update(super().loadRes(anns).__dict__)
        else:
            print('Loading and preparing results...\nDONE (t=0.00s)')
            results.dataset = dict(images=list(self.dataset['images']), annotations=[])
            results.createIndex()
        return results
