"""MMPose's data sets under their own names, refusing missing files and empty lists with a remedy."""
import os
from typing import List, Tuple

from mmpose.datasets import datasets as mmpose_datasets

from ..registry import DATASETS


class CheckedFiles:
    """Mixin in front of one of MMPose's data sets.

    Raises:
        FileNotFoundError: if the annotation, box or head-box file does not exist.
        ValueError: if no person is left to train or test on.
    """

    def load_data_list(self) -> List[dict]:
        for name, remedy in (
            ('ann_file', 'Set data_root and ann_file of the data set'),
            ('bbox_file', 'Put the detections there, or set bbox_file=None to take the annotated boxes'),
            ('headbox_file', 'Put it there, or set headbox_file=None'),
        ):
            path = getattr(self, name, None)
            if path and '://' not in path and not os.path.isfile(path):
                raise FileNotFoundError(f'{name}={path!r} of {type(self).__name__} does not exist (looked for in '
                                        f'{os.getcwd()!r}). {remedy}, for example with --cfg-options '
                                        f'train_dataloader.dataset.{name}=..., and alike for val_ and test_dataloader.')
        data_list = super().load_data_list()
        if not data_list:
            raise ValueError(f'{type(self).__name__} finds no person in {self.ann_file!r}: there is nothing to '
                             f'{"test" if self.test_mode else "train"} on. A person counts if it is not a crowd, has a box '
                             'of positive size and at least one labelled joint.')
        return data_list


@DATASETS.register_module()
class CocoDataset(CheckedFiles, mmpose_datasets.CocoDataset):
    """MMPose's ``CocoDataset`` with :class:`CheckedFiles`."""


@DATASETS.register_module()
class CrowdPoseDataset(CheckedFiles, mmpose_datasets.CrowdPoseDataset):
    """MMPose's ``CrowdPoseDataset`` with :class:`CheckedFiles`."""


@DATASETS.register_module()
class MpiiDataset(CheckedFiles, mmpose_datasets.MpiiDataset):
    """MMPose's ``MpiiDataset`` with :class:`CheckedFiles`, and training joints that count from 0.

    MPII's annotations count pixels from 1. MMPose makes boxes count from 0 but not joints, and ``MpiiPCKAccuracy`` adds 1 to
    predictions: a model trained on such joints would be 1 px off on each axis. The authors subtract 1 as well. In test mode
    joints stay as they are, for the metric.
    """

    def _load_annotations(self) -> Tuple[List[dict], List[dict]]:
        instances, images = super()._load_annotations()
        if not self.test_mode:
            for instance in instances:
                instance['keypoints'] = instance['keypoints'] - 1
        return instances, images
