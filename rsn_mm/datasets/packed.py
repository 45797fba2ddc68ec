"""Large annotation files in little time and memory: outlines and persons are packed as soon as they have been read.

A polygon of 50 numbers takes 1.7 kB as a Python list and 0.5 kB packed. MMPose holds every annotation twice, copied deeply,
and then once more in bytes.
"""
import pickle
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from ..json_files import parse_json
from .values import is_region

PROTOCOL = 4  # MMEngine's
# No float32 rounds it to 0.
SEEN_PX = 1e-30


class Outline:
    """What an annotation has as ``segmentation``, packed: polygons or a run-length code, unless it is ``odd``.

    Its copies are plain lists. That is so for deep copies and for what comes out of a pickle.
    """
    __slots__ = ('packed', 'odd')

    def __init__(self, segmentation: Any) -> None:
        self.odd = segmentation is not None and not is_region(segmentation)
        self.packed = pickle.dumps(segmentation, PROTOCOL)

    def unpack(self) -> Any:
        return pickle.loads(self.packed)

    def __reduce__(self) -> Tuple[Any, Tuple[bytes]]:
        return pickle.loads, (self.packed, )


def read_packed(data: bytes) -> Any:
    """Content of a JSON file whose ``annotations`` have an :class:`Outline` as ``segmentation``, if they have one.

    Raises:
        ValueError: saying why, if it is none.
    """
    return parse_json(data, {'annotations': _pack_outline})


def _pack_outline(entry: Any) -> Any:
    if isinstance(entry, dict) and 'segmentation' in entry:
        entry['segmentation'] = Outline(entry['segmentation'])
    return entry


def with_outline(annotation: Dict[str, Any]) -> Dict[str, Any]:
    """The annotation as the file has it: its :class:`Outline` unpacked, the rest shared."""
    outline = annotation.get('segmentation')
    return dict(annotation, segmentation=outline.unpack()) if isinstance(outline, Outline) else dict(annotation)


def parse_person(annotation: Dict[str, Any], image: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """What MMPose's ``BaseCocoStyleDataset.parse_data_info`` makes of an annotation, without copying it.

    ``raw_ann_info`` and ``segmentation`` share what ``annotation`` holds, so nobody else may go on to use it.

    Args:
        annotation (dict): Of :func:`read_packed`; :func:`with_outline` where the person will not be packed.
        image (dict): Its photo, with ``img_path``.

    Returns:
        dict | None: None without box or joints.

    Source: MMPose 1.3.2, base_coco_style_dataset.py.
    """
    if 'bbox' not in annotation or 'keypoints' not in annotation:
        return None
    x, y, w, h = annotation['bbox']
    right, bottom = image['width'] - 1, image['height'] - 1
    x1, y1, x2, y2 = _clip(x, right), _clip(y, bottom), _clip(x + w, right), _clip(y + h, bottom)
    joints = np.array(annotation['keypoints'], dtype=np.float32).reshape(1, -1, 3)
    keypoints = joints[..., :2]
    num_keypoints = annotation['num_keypoints'] if 'num_keypoints' in annotation else np.count_nonzero(keypoints.max(axis=2))
    person = dict(
        img_id=annotation['image_id'],
        img_path=image['img_path'],
        bbox=np.array([[x1, y1, x2, y2]], dtype=np.float32),
        bbox_score=np.ones(1, dtype=np.float32),
        num_keypoints=num_keypoints,
        keypoints=keypoints,
        keypoints_visible=np.minimum(1, joints[..., 2]),
        area=np.array(annotation['area'] if 'area' in annotation else max((x2 - x1) * (y2 - y1) * 0.53, 1.0), dtype=np.float32),
        iscrowd=annotation.get('iscrowd', 0),
        segmentation=annotation.get('segmentation'),
        id=annotation['id'],
        category_id=np.array(annotation['category_id']),
        raw_ann_info=annotation)
    if 'crowdIndex' in image:
        person['crowd_index'] = image['crowdIndex']
    return person


def _clip(value: float, most: float) -> float:
    """As ``np.clip(value, 0, most)``, which leaves NaN and lets ``most`` win where it is negative."""
    return min(0 if value < 0 else value, most)


def is_no_person(annotation: Dict[str, Any]) -> bool:
    """Whether MMPose leaves out an annotation for what it says of itself: a crowd, or no joint labelled."""
    return bool(annotation.get('iscrowd')) or annotation.get('num_keypoints') == 0


class PackedPerson(NamedTuple):
    """``data``: the person in a pickle. ``photo``: path of its photo."""
    data: bytes
    photo: str


def pack(person: Dict[str, Any]) -> PackedPerson:
    return PackedPerson(pickle.dumps(person, PROTOCOL), person['img_path'])


def is_in_sight(annotation: Dict[str, Any]) -> bool:
    """Whether a judged annotation is a person by MMPose's rules for sure: float32 leaves a coordinate above 0."""
    joints = annotation['keypoints']
    return max(joints[::3]) > SEEN_PX or max(joints[1::3]) > SEEN_PX


def pack_unparsed(annotation: Dict[str, Any], photo: Dict[str, Any]) -> PackedPerson:
    """As ``pack(parse_person(annotation, photo))``, but arrays are made when the person is taken out: a tenth of the time.

    Args:
        annotation (dict): Of :func:`read_packed`; nobody else may go on to use it.
        photo (dict): Of :func:`part_of_persons`.
    """
    outline = annotation.get('segmentation')
    if isinstance(outline, Outline):
        annotation['segmentation'] = outline.packed
    return PackedPerson(pickle.dumps(_Unparsed(annotation, photo), PROTOCOL), photo['img_path'])


def part_of_persons(image: Dict[str, Any]) -> Dict[str, Any]:
    """What each person of a photo takes from its entry."""
    return {key: image[key] for key in ('img_path', 'width', 'height', 'crowdIndex') if key in image}


class _Unparsed:
    """What comes out of a pickle as :func:`parse_person` makes it."""
    __slots__ = ('parts', )

    def __init__(self, *parts: Dict[str, Any]) -> None:
        self.parts = parts

    def __reduce__(self) -> Tuple[Any, Tuple[Dict[str, Any], ...]]:
        return _parse_alone, self.parts


def _parse_alone(annotation: Dict[str, Any], photo: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """A person of :func:`pack_unparsed`. Its arrays are whole ones, no views, as pickled ones are."""
    packed = annotation.get('segmentation')
    if packed is not None:
        annotation['segmentation'] = pickle.loads(packed)
    person = parse_person(annotation, photo)
    return person and dict(person, keypoints=person['keypoints'].copy())


def join(packed: List[bytes]) -> Tuple[np.ndarray, np.ndarray]:
    """Packed persons in one piece, as MMEngine's ``_serialize_data`` has them. The list is emptied on the way.

    Returns:
        tuple: bytes of all, uint8, and where each ends, int64.
    """
    ends = np.cumsum([len(part) for part in packed], dtype=np.int64)
    whole = np.empty(ends[-1] if len(ends) else 0, dtype=np.uint8)
    end = len(whole)
    while packed:
        part = packed.pop()
        whole[end - len(part):end] = np.frombuffer(part, dtype=np.uint8)
        end -= len(part)
    return whole, ends
