"""MMPose's data sets under their own names, which name what is missing or wrong and leave out what cannot be used."""
import json
import logging
import os
import os.path as osp
import pickle
from collections import Counter
from functools import cached_property
from typing import Any, Dict, Hashable, List, Optional, Set, Tuple

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.fileio import get_local_path
from mmengine.logging import print_log
from mmpose.datasets import datasets as mmpose_datasets
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from xtcocotools.coco import COCO

from ..registry import DATASETS
from ..transforms import UnreadableImageError
from .faults import KINDS, LEFT_OUT, ambiguous_images, annotation_faults, image_faults
from .packed import PackedPerson, is_no_person, is_whole, join, nothing_collected, pack, parse_person, read_packed, with_outline
from .unreadable import Unreadable, UnreadableCount, name_some

_FROM_FILE_TO_BYTES = ('_load_annotations', 'parse_data_info', '_get_topdown_data_infos', '_is_valid_instance',
                       'load_data_list', 'filter_data', '_serialize_data')


class CheckedFiles:
    """Mixin in front of one of MMPose's data sets. It hands out their persons, in a third of the time.

    Persons whose annotation or detected box cannot be used (``rsn_mm.datasets.faults.KINDS`` says which) are
    left out; how many and which, the log says. In training, persons whose photo ``rsn_mm.LoadImage`` cannot read are
    replaced by others, see :class:`UnreadableCount`. In testing such a photo raises, except with ``rsn_mm.TestLoop`` and
    ``rsn_mm.ValLoop``, which leave out its persons.

    Args:
        max_unreadable (float): Share of the persons, 0 to 1, whose photo may be unreadable in training. Defaults to 0.01.
        **kwargs: Arguments of MMPose's data set.

    Raises:
        FileNotFoundError: if the annotation, box or head-box file does not exist.
        ValueError: if ``max_unreadable`` is out of its range; if a file is no JSON in UTF-8; if no person is left to train or
            test on.
    """
    skip_unreadable = False

    def __init__(self, *args: Any, max_unreadable: float = 0.01, **kwargs: Any) -> None:
        if not 0 <= max_unreadable <= 1:
            raise ValueError(f'max_unreadable={max_unreadable!r} must be the share of persons that may be left out, 0 to 1.')
        self.max_unreadable = max_unreadable
        self._dropped: Dict[Tuple[str, Hashable], str] = {}
        super().__init__(*args, **kwargs)

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
        data_list = self._load_persons()
        if self.bbox_file:
            data_list = [person for person in data_list if not self._drop_unusable(person)]
        self._report_dropped()
        if not data_list:
            raise ValueError(f'{type(self).__name__} finds no person in {self.ann_file!r}: there is nothing to '
                             f'{"test" if self.test_mode else "train"} on. A person counts if it is not a crowd, has a box '
                             'of positive size and at least one labelled joint.')
        return data_list

    def _load_persons(self) -> List[dict]:
        try:
            return super().load_data_list()
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f'{self._files} of {type(self).__name__} is no whole JSON file in UTF-8: {error}. Fetch it again.'
                             ) from error
        except KeyError as error:
            raise ValueError(f'In {self._files} of {type(self).__name__} an entry lacks {error}, or refers to the photo '
                             f'{error}, which is not listed. `python tools/check_dataset.py CONFIG` names the entry.'
                             ) from error

    @property
    def _files(self) -> str:
        return ' or '.join(repr(path) for path in (self.ann_file, self.bbox_file) if path)

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

    def _drop(self, kind: str, person: Hashable, detail: str) -> None:
        self._dropped.setdefault((kind, person), detail)

    def _drop_unusable(self, person: dict) -> bool:
        """Whether a person as MMPose makes it, of MPII or of a detected box, is left out."""
        bbox, joints = person['bbox'], person['keypoints']
        if not np.isfinite(bbox).all() or not np.isfinite(person['bbox_score']).all():
            kind = 'box malformed'
        elif (np.asarray(bbox)[..., 2:] <= np.asarray(bbox)[..., :2]).any():
            kind = 'box empty'
        elif joints.shape[-2] != self._metainfo['num_keypoints'] or person['keypoints_visible'].shape[1] != joints.shape[1]:
            kind = 'joints malformed'
        elif not np.isfinite(joints).all():
            kind = 'joints not finite'
        else:
            return False
        self._drop(kind, person['id'], f'of photo {person["img_path"]!r}')
        return True

    def _report_dropped(self) -> None:
        counts = Counter(kind for kind, _ in self._dropped)
        for kind, count in counts.items():
            persons = [person for other, person in self._dropped if other == kind]
            example = self._dropped[kind, persons[0]]
            print_log(f'{type(self).__name__} leaves out {count} persons of {self.ann_file!r}: {KINDS[kind].meaning}. Ids: '
                      f'{name_some(persons)}. The first: {example}. `python tools/check_dataset.py CONFIG` lists all.',
                      'current', logging.WARNING)
        self._dropped.clear()


class _CheckedAnnotations(CheckedFiles):
    """Mixin for annotations in COCO's format, which are looked at before MMPose parses them."""

    def load_data_list(self) -> List[dict]:
        self._seen: Set[Hashable] = set()
        self._ambiguous: Optional[Set[Hashable]] = None
        self._looked_at: Tuple[Optional[dict], List[Tuple[str, str]]] = (None, [])
        data_list = super().load_data_list()
        self._seen.clear()
        self._looked_at = (None, [])
        return data_list

    def _load_annotations(self) -> Tuple[List[dict], List[dict]]:
        """MMPose's, without its copies: persons come packed if nobody wants to see them before they are."""
        with get_local_path(self.ann_file) as path, nothing_collected():
            content = read_packed(path)
            return self._parse_content(content)

    def _parse_content(self, content: Any) -> Tuple[List[dict], List[dict]]:
        if not isinstance(content, dict):
            raise ValueError(f'{self._files} of {type(self).__name__} is no object with images and annotations.')
        self.coco = COCO()
        self.coco.dataset = content
        self.coco.createIndex()
        if 'categories' in content:
            self._metainfo['CLASSES'] = self.coco.loadCats(self.coco.getCatIds())
        persons, images = [], []
        for image_id in self.coco.getImgIds():
            if image_id % self.sample_interval:
                continue
            image = self.coco.imgs[image_id]
            image.update(img_id=image_id, img_path=osp.join(self.data_prefix['img'], image['file_name']))
            images.append(image)
            for same in self.coco.imgToAnns.get(image_id, ()):
                annotation = self.coco.anns[same['id']]
                annotation.setdefault('iscrowd', False)
                person = self.parse_data_info(dict(raw_ann_info=annotation, raw_img_info=image))
                if person and self._are_packed:
                    person = is_whole(person) and pack(person)
                if person:
                    persons.append(person)
        return persons, images

    def _get_topdown_data_infos(self, instance_list: List[dict]) -> List[dict]:
        return instance_list if self._are_packed else super()._get_topdown_data_infos(instance_list)

    @cached_property
    def _are_packed(self) -> bool:
        """Whether no filter and no subclass has a say in persons between the file and their bytes."""
        ours = (_CheckedAnnotations, CheckedFiles, BaseCocoStyleDataset, BaseDataset)
        return self.data_mode == 'topdown' and self.serialize_data and not self.filter_cfg and all(
            next(kind for kind in type(self).__mro__ if name in vars(kind)) in ours for name in _FROM_FILE_TO_BYTES)

    def parse_data_info(self, raw_data_info: dict) -> Optional[dict]:
        """MMPose's, None for an annotation that cannot be used."""
        annotation, image = raw_data_info['raw_ann_info'], raw_data_info['raw_img_info']
        if self._ambiguous is None:
            self._look_at_ids()
        person = annotation['id']
        if annotation['image_id'] != image['id'] or person in self._seen:
            return None  # COCO's index gives the last annotation of an id wherever one has it.
        self._seen.add(person)
        if image['id'] in self._ambiguous:
            self._drop('photo id twice', person, f'of photo {image["id"]!r}')
            return None
        if self._looked_at[0] is not image:
            self._looked_at = image, image_faults(image)
        found = self._looked_at[1] or annotation_faults(annotation, image, self._metainfo['num_keypoints'])
        dropped = [(kind, detail) for kind, detail in found if KINDS[kind][:2] == ('error', LEFT_OUT)]
        for kind, detail in dropped:
            self._drop(kind, person, detail)
        if dropped or (self._are_packed and is_no_person(annotation)):
            return None
        parse, annotation = super().parse_data_info, annotation if self._are_packed else with_outline(annotation)
        if parse.__func__ is BaseCocoStyleDataset.parse_data_info:
            return parse_person(annotation, image)
        return parse(dict(raw_data_info, raw_ann_info=annotation))

    def _look_at_ids(self) -> None:
        content, index = self.coco.dataset, self.coco
        self._ambiguous = set(ambiguous_images(content['images'])[1])
        for person, count in Counter(annotation['id'] for annotation in content['annotations']).items():
            if count > 1:
                self._drop('id twice', person, f'{count} annotations')
        for photo in index.imgToAnns.keys() - index.imgs.keys():
            for annotation in index.imgToAnns[photo]:
                self._drop('unknown photo', annotation['id'], f'image_id={photo!r}')


@DATASETS.register_module()
class CocoDataset(_CheckedAnnotations, mmpose_datasets.CocoDataset):
    """MMPose's ``CocoDataset`` with :class:`CheckedFiles`."""


@DATASETS.register_module()
class CrowdPoseDataset(_CheckedAnnotations, mmpose_datasets.CrowdPoseDataset):
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
        instances = [person for person in instances if not self._drop_unusable(person)]
        if not self.test_mode:
            for instance in instances:
                instance['keypoints'] = instance['keypoints'] - 1
        return instances, images
