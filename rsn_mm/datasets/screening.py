"""All annotations of a file at once: which of them have no fault for sure, so that the rules need not be asked one by one."""
import struct
from typing import Any, Container, Dict, Hashable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from .faults import MOST_AREA, MOST_PX, SLIVER
from .kinds import FAR_OUTSIDE, ROUNDING
from .packed import Outline

# What is found of an annotation. DOUBTFUL says nothing: the rules of faults.py decide.
DOUBTFUL, SOUND, NO_JOINT = 0, 1, 2
# Annotations of a block; the numbers of COCO's take 4 MB.
BLOCK = 8192
_NUMBERS = (int, float)
# Numbers of a row before its joints: x, y, w, h of the box, area, num_keypoints, iscrowd, width and height of the photo.
_OTHERS = 9


class Screened(NamedTuple):
    """``verdicts``: DOUBTFUL, SOUND or NO_JOINT (sound but for that) of each annotation; ``seen``: of each joint, how many
    persons that are sound, and no crowd, are labelled with it."""
    verdicts: List[int]
    seen: np.ndarray


def screen(annotations: Sequence[Dict[str, Any]], images: Mapping[int, Mapping[str, Any]],
           fields: Mapping[Hashable, Sequence[Tuple[str, Optional[int]]]], doubted: Container[int] = ()) -> Screened:
    """Screen annotations with sound ids.

    Args:
        annotations (Sequence[dict]): As the file has them, each with ``id``, ``image_id`` and ``category_id``.
        images (Mapping): Photos that were judged, by id.
        fields (Mapping): Lists of joints that annotations of a category have, and their lengths, None for any.
        doubted (Container[int]): Ids of annotations that are DOUBTFUL in any case.
    """
    plain = {category: count for category, ((body, count), *parts) in fields.items() if body == 'keypoints' and not parts}
    length = 3 * next(filter(None, plain.values()), 0) or next(
        (len(joints) for joints in (annotation.get('keypoints') for annotation in annotations) if isinstance(joints, list)), 0)
    known = {category for category, count in plain.items() if count in (None, length / 3)}
    verdicts: List[int] = []
    seen = np.zeros(length // 3, dtype=np.int64)
    if not known or not length or length % 3:
        return Screened([DOUBTFUL] * len(annotations), seen)
    row = struct.Struct(f'{_OTHERS + length}d')
    for start in range(0, len(annotations), BLOCK):
        block = annotations[start:start + BLOCK]
        if doubted:
            block = [{} if annotation['id'] in doubted else annotation for annotation in block]
        places, rows = _rows(block, images, known, row)
        found, block_seen = _verdicts(np.frombuffer(rows).reshape(-1, _OTHERS + length))
        whole = np.full(len(block), DOUBTFUL)
        whole[places] = found
        verdicts += whole.tolist()
        seen += block_seen
    return Screened(verdicts, seen)


def _rows(block: Sequence[Dict[str, Any]], images: Mapping[int, Mapping[str, Any]], known: Container[Hashable],
          row: struct.Struct) -> Tuple[List[int], bytes]:
    """Numbers of the annotations that have all of them, in one piece, and the places of these."""
    places: List[int] = []
    rows: List[bytes] = []
    for place, annotation in enumerate(block):
        try:
            box, joints, area, count = (annotation['bbox'], annotation['keypoints'], annotation['area'],
                                        annotation['num_keypoints'])
            image, outline = images[annotation['image_id']], annotation.get('segmentation')
            if annotation['category_id'] in known and len(box) == 4 and type(box) is type(joints) is list \
                    and type(count) is int and type(area) in _NUMBERS \
                    and (outline is None or isinstance(outline, Outline) and not outline.odd):
                rows.append(row.pack(*box, area, count, annotation['iscrowd'], image['width'], image['height'], *joints))
                places.append(place)
        except (KeyError, TypeError, OverflowError, struct.error):  # Something is missing, or no number.
            continue
    return places, b''.join(rows)


def _verdicts(rows: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """What is found of each row, and how often each joint is labelled. NaN and infinity pass no comparison."""
    x, y, w, h, area, count, crowd, width, height = rows[:, :_OTHERS].T
    inside = np.minimum(np.minimum(x + w, width - 1) - np.maximum(x, 0), np.minimum(y + h, height - 1) - np.maximum(y, 0))
    box = (w > 0) & (h > 0) & (inside >= SLIVER) & (np.minimum(x, y) >= -ROUNDING) & (x + w <= width + ROUNDING) & (
        y + h <= height + ROUNDING) & (rows[:, :4].max(1) <= MOST_PX)
    xs, ys, flags = rows[:, _OTHERS::3], rows[:, _OTHERS + 1::3], rows[:, _OTHERS + 2::3]
    far = FAR_OUTSIDE * np.maximum(width, height)
    near = (np.minimum(xs.min(1), ys.min(1)) >= np.maximum(-far, -MOST_PX)) & (
        xs.max(1) <= np.minimum(width + far, MOST_PX)) & (ys.max(1) <= np.minimum(height + far, MOST_PX))
    plain = ((flags == 0) | (flags == 1) | (flags == 2)).all(1)
    labelled, in_view = (flags > 0).sum(1), (flags == 2).sum(1)
    sound = box & near & plain & (0 < area) & (area <= MOST_AREA) & ((crowd == 0) | (crowd == 1)) & (
        (count == labelled) | (count == in_view))
    seen = sound & (labelled > 0) & (np.maximum(xs.max(1), ys.max(1)) > 0)
    verdicts = np.where(seen, SOUND, np.where(sound & (labelled == 0), NO_JOINT, DOUBTFUL))
    return verdicts, (flags[seen & (crowd == 0) & (count > 0)] > 0).sum(0)
