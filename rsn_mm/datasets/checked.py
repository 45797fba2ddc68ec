"""MMPose's data sets under their own names, which name what is missing or wrong and leave out what cannot be used."""
import os
import os.path as osp
import pickle
from functools import cached_property
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

import numpy as np
from mmengine.dataset import BaseDataset
from mmpose.datasets import datasets as mmpose_datasets
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.structures.bbox import bbox_xywh2xyxy
from xtcocotools.coco import COCO

from ..registry import DATASETS
from ..transforms import UnreadableImageError
from .faults import WHOLE_BODY, Layout
from .judged_files import UNSAID, judge_detection_file, judge_file, no_collection, refuse, say
from .kinds import Fault
from .mpii import mpii_as_coco
from .packed import (
    PackedPerson,
    is_in_sight,
    is_no_person,
    join,
    pack,
    pack_unparsed,
    parse_person,
    part_of_persons,
    with_outline,
)
from .unreadable import Unreadable, UnreadableCount

if TYPE_CHECKING:  # what the mixins stand in front of
    from mmpose.datasets.datasets.base import BaseCocoStyleDataset as _Dataset
else:
    _Dataset = object

_FROM_FILE_TO_BYTES = ('_load_annotations', 'parse_data_info', '_get_topdown_data_infos', '_is_valid_instance',
                       'load_data_list', 'filter_data', '_serialize_data')


class CheckedFiles(_Dataset):
    """Mixin in front of one of MMPose's data sets. It hands out their persons, in a fifth of the time.

    Persons whose annotation or detected box cannot be used (``rsn_mm.datasets.kinds.KINDS`` says which) are left out; how
    many and which, the log says. In training, persons whose photo ``rsn_mm.LoadImage`` cannot read are replaced by others,
    see :class:`UnreadableCount`. In testing such a photo raises, except with ``rsn_mm.TestLoop`` and ``rsn_mm.ValLoop``,
    which leave out its persons.

    Args:
        max_unreadable (float): Share of the persons, 0 to 1, whose photo may be unreadable in training. Defaults to 0.01.
        **kwargs: Arguments of MMPose's data set.

    Raises:
        FileNotFoundError: if the annotation, box or head-box file does not exist.
        ValueError: if ``max_unreadable`` is out of its range; if a file is no JSON or not in its format, naming the
            entry; if no person is left to train or test on, with the reasons.
    """
    skip_unreadable = False

    def __init__(self, *args: Any, max_unreadable: float = 0.01, **kwargs: Any) -> None:
        if not 0 <= max_unreadable <= 1:
            raise ValueError(f'max_unreadable={max_unreadable!r} must be the share of persons that may be left out, 0 to 1.')
        self.max_unreadable = max_unreadable
        super().__init__(*args, **kwargs)

    @no_collection()
    def full_init(self) -> None:
        if not self._fully_initialized:
            super().full_init()
            self.unreadable = UnreadableCount(len(self), self.max_unreadable, type(self).__name__)

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
                             f'{"test" if self.test_mode else "train"} on. sample_interval={self.sample_interval} takes photos '
                             'whose id is a multiple of it.')
        return data_list

    @classmethod
    def layout(cls, metainfo: dict) -> Layout:
        """What this data set expects of an annotation."""
        return Layout((('keypoints', metainfo['num_keypoints']), ), joint_names(metainfo))

    def get_data_info(self, idx: int) -> dict:
        """MMPose's, with what is the same for all persons unpickled: copying it list by list takes ten times as long."""
        return {**BaseDataset.get_data_info(self, idx), **pickle.loads(self._same_for_all)}

    def prepare_data(self, idx: int) -> Any:
        """The sample; if its photo cannot be read None, for which MMEngine takes another one in training."""
        try:
            return super().prepare_data(idx)
        except UnreadableImageError as error:
            if not self.test_mode:
                self.unreadable.add(self._of_same_photo(idx), self._path, error)
                return None
            if not self.skip_unreadable:
                raise
            return Unreadable(self._path(idx), str(error), idx)

    def _serialize_data(self) -> Tuple[np.ndarray, np.ndarray]:
        """MMEngine's, with one copy of the bytes less."""
        packed = [person if isinstance(person, PackedPerson) else pack(person) for person in self.data_list]
        self.data_list.clear()
        photos: Dict[str, int] = {}
        numbers = np.array([photos.setdefault(person.photo, len(photos)) for person in packed], dtype=np.int64)
        data, ends = join([person.data for person in packed])
        self._numbers = (ends, numbers)
        return data, ends

    @property
    def photo_numbers(self) -> Optional[np.ndarray]:
        """Number of each person's photo, (N,), int64. None where persons are not serialized, or a subset was taken since."""
        ends, numbers = vars(self).get('_numbers', (None, None))
        return numbers if ends is not None and ends is getattr(self, 'data_address', None) else None

    @cached_property
    def _same_for_all(self) -> bytes:
        own = BaseDataset.get_data_info(self, 0)
        return pickle.dumps({key: value for key, value in super().get_data_info(0).items() if key not in own})

    def _path(self, idx: int) -> str:
        return BaseDataset.get_data_info(self, idx)['img_path']

    def _of_same_photo(self, idx: int) -> List[int]:
        """A person and those around it in the list that are in the same photo."""
        path, first, last = self._path(idx), idx, idx
        while first > 0 and self._path(first - 1) == path:
            first -= 1
        while last + 1 < len(self) and self._path(last + 1) == path:
            last += 1
        return list(range(first, last + 1))

    def _say(self, faults: List[Fault], path: str) -> None:
        refuse(faults, path, type(self).__name__)
        say(faults, path, type(self).__name__, (*UNSAID, 'joint without labels') if self.test_mode else UNSAID)


def joint_names(metainfo: dict) -> Tuple[str, ...]:
    """Names of the joints of a data set in their order."""
    names = metainfo.get('keypoint_id2name') or {}
    return tuple(names[i] for i in range(len(names)))


class _CheckedAnnotations(CheckedFiles):
    """Mixin for files in COCO's format, which are judged before MMPose sees what can be used of them."""

    def _load_annotations(self) -> Tuple[List[dict], List[dict]]:
        """MMPose's, of what can be used and without copies: persons come packed if nobody wants to see them before they are."""
        persons, photos = [], []
        self._load_judged(needs_people=True)
        for image in self.coco.dataset['images']:
            if image['id'] % self.sample_interval:
                continue
            image.update(img_id=image['id'], img_path=osp.join(self.data_prefix['img'], image['file_name']))
            photos.append(image)
            part = part_of_persons(image)
            for annotation in self.coco.imgToAnns.get(image['id'], ()):
                person = self._person(annotation, image, part)
                if person:
                    persons.append(person)
        return persons, photos

    def _person(self, annotation: dict, image: dict, part: dict) -> Any:
        """A person as a dict, or packed; something false for whom MMPose leaves out."""
        if self._are_unparsed:
            if is_no_person(annotation):
                return None
            if is_in_sight(annotation):
                return pack_unparsed(annotation, part)
        person: Any = self.parse_data_info(dict(raw_ann_info=annotation, raw_img_info=image))
        return self._is_valid_instance(person) and pack(person) if person and self._are_packed else person

    @cached_property
    def _are_unparsed(self) -> bool:
        """Whether persons are packed and made of their annotations as MMPose's base class does it."""
        return self._are_packed and super().parse_data_info.__func__ is BaseCocoStyleDataset.parse_data_info

    def _get_topdown_data_infos(self, instance_list: List[dict]) -> List[dict]:
        return instance_list if self._are_packed else super()._get_topdown_data_infos(instance_list)

    @cached_property
    def _are_packed(self) -> bool:
        """Whether no filter and no subclass has a say in persons between the file and their bytes."""
        ours = (_CheckedAnnotations, CheckedFiles, BaseCocoStyleDataset, BaseDataset)
        return self.data_mode == 'topdown' and self.serialize_data and not self.filter_cfg and all(
            next(kind for kind in type(self).__mro__ if name in vars(kind)) in ours for name in _FROM_FILE_TO_BYTES)

    def parse_data_info(self, raw_data_info: dict) -> Optional[dict]:
        """MMPose's, without copies."""
        annotation, image = raw_data_info['raw_ann_info'], raw_data_info['raw_img_info']
        if self._are_packed and is_no_person(annotation):
            return None
        parse, annotation = super().parse_data_info, annotation if self._are_packed else with_outline(annotation)
        if parse.__func__ is BaseCocoStyleDataset.parse_data_info:
            return parse_person(annotation, image)
        return parse(dict(raw_data_info, raw_ann_info=annotation))

    def _load_detection_results(self) -> List[dict]:
        """MMPose's, of the boxes that can be used, and with the category that people have in the annotation file."""
        truth = self._load_judged(needs_people=False)
        boxes = judge_detection_file(self.bbox_file, truth, self.ann_file)
        self._say(boxes.faults, self.bbox_file)
        num_keypoints = self.metainfo['num_keypoints']
        data_list = []
        for position, detection, category in boxes.usable:
            image = self.coco.imgs[detection['image_id']]
            bbox = np.array(detection['bbox'][:4], dtype=np.float32).reshape(1, 4)
            data_list.append(dict(
                img_id=image['id'],
                img_path=osp.join(self.data_prefix['img'], image['file_name']),
                img_shape=(image['height'], image['width']),
                bbox=bbox_xywh2xyxy(bbox),
                bbox_score=np.array(detection['score'], dtype=np.float32).reshape(1),
                keypoints=np.zeros((1, num_keypoints, 2), dtype=np.float32),
                keypoints_visible=np.ones((1, num_keypoints), dtype=np.float32),
                category_id=np.array(category),
                id=position))
        return data_list

    def _load_judged(self, needs_people: bool) -> Any:
        truth = judge_file(self.ann_file, self.layout(self._metainfo), needs_people=needs_people)
        self._say(truth.faults, self.ann_file)
        self.coco = COCO()
        self.coco.dataset = truth.content
        self.coco.createIndex()
        self._metainfo['CLASSES'] = truth.content['categories']
        return truth


@DATASETS.register_module()
class CocoDataset(_CheckedAnnotations, mmpose_datasets.CocoDataset):
    """MMPose's ``CocoDataset`` with :class:`CheckedFiles`."""


@DATASETS.register_module()
class CrowdPoseDataset(_CheckedAnnotations, mmpose_datasets.CrowdPoseDataset):
    """MMPose's ``CrowdPoseDataset`` with :class:`CheckedFiles`."""


@DATASETS.register_module()
class CocoWholeBodyDataset(_CheckedAnnotations, mmpose_datasets.CocoWholeBodyDataset):
    """MMPose's ``CocoWholeBodyDataset`` with :class:`CheckedFiles`."""

    @classmethod
    def layout(cls, metainfo: dict) -> Layout:
        return Layout(WHOLE_BODY, joint_names(metainfo))


@DATASETS.register_module()
class MpiiDataset(CheckedFiles, mmpose_datasets.MpiiDataset):
    """MMPose's ``MpiiDataset`` with :class:`CheckedFiles`, and training joints that count from 0.

    MPII's annotations count pixels from 1. MMPose makes boxes count from 0 but not joints, and ``MpiiPCKAccuracy`` adds 1 to
    predictions: a model trained on such joints would be 1 px off on each axis. The authors subtract 1 as well. In test mode
    joints stay as they are, for the metric.
    """

    @classmethod
    def layout(cls, metainfo: dict) -> Layout:
        return super().layout(metainfo)._replace(sized=False, names=())

    def _load_annotations(self) -> Tuple[List[dict], List[dict]]:
        truth = judge_file(self.ann_file, self.layout(self._metainfo), mpii_as_coco, needs_joints=not self.test_mode)
        self._say(truth.faults, self.ann_file)
        try:
            instances, images = super()._load_annotations()
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            first: Dict[str, Any] = next((fault._asdict() for fault in truth.faults), dict(annotation_id='?', detail=error))
            raise ValueError(f'{type(self).__name__} cannot use {self.ann_file!r}: person {first["annotation_id"]}: '
                             f'{first["detail"]}. Mend the file.') from error
        usable = {person['id'] for person in truth.content['annotations']
                  if self.test_mode or person.get('num_keypoints') != 0}
        instances = [person for person in instances if person['id'] in usable]
        if not self.test_mode:
            for instance in instances:
                instance['keypoints'] = instance['keypoints'] - 1
        return instances, images

    def _get_topdown_data_infos(self, instance_list: List[dict]) -> List[dict]:
        """MMPose's, which drops people without a joint right of or below the corner; to predict them, none is needed."""
        return instance_list if self.test_mode else super()._get_topdown_data_infos(instance_list)
