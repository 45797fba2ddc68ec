"""The rules for one entry of a file in COCO's format: what is wrong with a photo's entry, a box, joints, an annotation."""
import sys
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .kinds import FAR_OUTSIDE, ROUNDING, Found
from .packed import Outline
from .values import are_finite, is_number, is_region

# Beyond this no photo and no label is real, and float32 counts no single pixels.
MOST_PX = 1e6
MOST_AREA = 1e10  # COCO's scores take no person above
FLAGS = frozenset((0, 1, 2))
# A part of a box in its photo that float32 may round to nothing, in px.
SLIVER = 0.07
NO_JOINT_FAULT = ('no joint', 'all flags are 0')


class Layout(NamedTuple):
    """What a data set expects of an annotation.

    ``fields``: its lists of joints and the number of joints of each, None where that is not known; ``names``: of all joints,
    in their order, where these are known; ``sized``: whether photos have to have a size.
    """
    fields: Tuple[Tuple[str, Optional[int]], ...] = (('keypoints', None), )
    names: Tuple[str, ...] = ()
    sized: bool = True


# As many joints as the file's categories name.
ANY_LAYOUT = Layout()
WHOLE_BODY = (('keypoints', 17), ('foot_kpts', 6), ('face_kpts', 68), ('lefthand_kpts', 21), ('righthand_kpts', 21))


def id_fault(entry: Mapping[str, Any], key: str) -> Optional[str]:
    """Why an id cannot be one: the same rule for photos, annotations and categories, and for what refers to them."""
    value = entry.get(key)
    if type(value) is int and -sys.maxsize <= value <= sys.maxsize:  # True is an int, too
        return None
    if key not in entry:
        return f'it has no {key}: an integer is expected'
    return f'{key}={value!r:.50}: an integer of at most 64 bits is expected'


def are_ids(values: Sequence[Any]) -> bool:
    """Whether :func:`id_fault` finds nothing in any of them, and there are some."""
    return set(map(type, values)) == {int} and -sys.maxsize <= min(values) <= max(values) <= sys.maxsize


def image_faults(image: Mapping[str, Any], sized: bool = True) -> List[Found]:
    """Faults of a photo's entry but of its id. ``sized``: whether it has to have a size, which MPII does not tell."""
    name = image.get('file_name')
    if not isinstance(name, str) or not name:
        return [('photo entry', f'file_name={name!r:.50}: a text is expected')]
    if '\0' in name:
        return [('photo name', f'{name!r:.200}: it holds a zero byte')]
    try:
        name.encode('utf-8')
    except UnicodeEncodeError as error:
        return [('photo name', f'{name!r:.200}: {error.reason}')]
    sizes = [image.get(side) for side in ('width', 'height')]
    if sized and not all(_is_size(size) for size in sizes):
        return [('photo entry', f'width={sizes[0]!r:.50}, height={sizes[1]!r:.50}: whole numbers of px from 1 to {MOST_PX:.0f} '
                 'are expected')]
    return []


def _is_size(value: Any) -> bool:
    return is_number(value) and 1 <= value <= MOST_PX and value == int(value)


def box_faults(box: Any, size_wh: Optional[Sequence[int]] = None) -> List[Found]:
    """Faults of a box (x, y, w, h) in px of a photo of the given size, where that is known."""
    if not are_finite(box, 4):
        return [('box malformed', f'bbox={box!r:.200}: x, y, width, height are expected')]
    x, y, w, h = box
    if max(box) > MOST_PX or min(box) < -MOST_PX:
        return [('box malformed', f'bbox={box!r:.200} is more than {MOST_PX:.0f} px large or away')]
    if w < 0 or h < 0:
        return [('box negative', f'bbox={box}')]
    if w == 0 or h == 0:
        return [('box empty', f'bbox={box}')]
    if size_wh is None:
        return []
    width, height = size_wh
    # MMPose clips boxes to the centres of the first and the last pixel, and keeps what is then not empty in float32.
    inside = min(min(x + w, width - 1) - max(x, 0), min(y + h, height - 1) - max(y, 0))
    if inside < SLIVER:
        tiny = min(w, h) < SLIVER
        return [('box empty', f'bbox={box}') if tiny else ('box outside', f'bbox={box} in {width}x{height} px')]
    if min(x, y) < -ROUNDING or x + w > width + ROUNDING or y + h > height + ROUNDING:
        return [('box partly outside', f'bbox={box} in {width}x{height} px')]
    return []


def joint_list_faults(joints: Any, count: Optional[int], field: str = 'keypoints') -> List[Found]:
    """Faults of a list (x, y, flag, x, y, flag, ...) as such: its length and whether it holds finite numbers."""
    expected = None if count is None else 3 * count
    if not isinstance(joints, (list, tuple)) or len(joints) % 3 or expected not in (None, len(joints)) or not joints:
        found = f'{len(joints)} numbers' if isinstance(joints, (list, tuple)) else f'{joints!r:.50}'
        where = '' if field == 'keypoints' else f'{field}: '
        return [('joints malformed', f'{where}{found} where {"3 per joint" if expected is None else expected} are expected')]
    if not are_finite(joints):
        are_numbers = all(is_number(value) for value in joints)
        return [('joints not finite', 'NaN or infinite')] if are_numbers else [('joints malformed', 'not all are numbers')]
    return []


def joint_faults(keypoints: Any, num_keypoints: Optional[int], size_wh: Optional[Sequence[int]] = None,
                 num_labelled: Any = None) -> List[Found]:
    """Faults of joints (x, y, flag, x, y, flag, ...) in px.

    Args:
        keypoints: What the annotation holds.
        num_keypoints (int, optional): Joints that it should have; None if that is not known.
        size_wh (Sequence[int], optional): Size of the photo.
        num_labelled: ``num_keypoints`` of the annotation, None if it has none.
    """
    found = joint_list_faults(keypoints, num_keypoints)
    if found:
        return found
    xs, ys, flags = keypoints[::3], keypoints[1::3], keypoints[2::3]
    odd = () if FLAGS.issuperset(flags) else {flag for flag in flags if flag not in FLAGS}
    if odd:
        found.append(('joint flag', f'{", ".join(map(str, sorted(odd)))}: 0, 1 or 2 is expected'))
    labelled = sum(flag >= 1 for flag in flags) if odd else len(flags) - flags.count(0)
    # CrowdPose counts those that are clearly visible alone.
    if num_labelled is not None and not (type(num_labelled) is int and num_labelled in (labelled, flags.count(2))):
        found.append(('joint count', f'num_keypoints={num_labelled!r:.50}, but {labelled} are labelled'))
    far = _first_far_outside(xs, ys, flags, size_wh)
    if far is not None:
        found.append(('joint far outside', f'joint {far} at ({xs[far]}, {ys[far]})' +
                      (f' in {size_wh[0]}x{size_wh[1]} px' if size_wh else '')))
    if not labelled:
        found.append(NO_JOINT_FAULT)
    elif (odd or far is not None or max(xs) <= 0 and max(ys) <= 0) and not any(labelled_joints(keypoints, size_wh)):
        found.append(('no joint', 'no labelled joint is near the photo'))
    return found


def _reach(size_wh: Optional[Sequence[int]]) -> Tuple[float, float, float]:
    """The lowest coordinate and the highest x and y that a joint may have."""
    if size_wh is None:
        return -MOST_PX, MOST_PX, MOST_PX
    far = FAR_OUTSIDE * max(size_wh)
    return -far, size_wh[0] + far, size_wh[1] + far


def _first_far_outside(xs: Sequence[float], ys: Sequence[float], flags: Sequence[float],
                       size_wh: Optional[Sequence[int]]) -> Optional[int]:
    least, most_x, most_y = _reach(size_wh)
    if least <= min(xs) and max(xs) <= most_x and least <= min(ys) and max(ys) <= most_y:
        return None
    return next((i for i, (x, y, flag) in enumerate(zip(xs, ys, flags))
                 if flag >= 1 and not (least <= x <= most_x and least <= y <= most_y)), None)


def labelled_joints(keypoints: Sequence[float], size_wh: Optional[Sequence[int]]) -> List[bool]:
    """Which joints count as labelled. Nobody is, of whom MMPose would see nothing right of or below the corner."""
    least, most_x, most_y = _reach(size_wh)
    labelled = [flag >= 1 and least <= x <= most_x and least <= y <= most_y
                for x, y, flag in zip(keypoints[::3], keypoints[1::3], keypoints[2::3])]
    in_sight = any(is_one and max(x, y) > 0 for is_one, x, y in zip(labelled, keypoints[::3], keypoints[1::3]))
    return labelled if in_sight else [False] * len(labelled)


def annotation_faults(annotation: Mapping[str, Any], size_wh: Optional[Sequence[int]],
                      fields: Sequence[Tuple[str, Optional[int]]] = Layout().fields) -> List[Found]:
    """Faults that an annotation has by itself, of its ids apart."""
    lacking = [key for key in ('bbox', *(field for field, _ in fields)) if key not in annotation]
    found = _small_fields_faults(annotation)
    if lacking:
        return found + [('no pose', f'it has no {", ".join(lacking)}')]
    found += box_faults(annotation['bbox'], size_wh)
    (body, count), *parts = fields
    found += joint_faults(annotation[body], count, size_wh, annotation.get('num_keypoints'))
    for field, number in parts:
        found += joint_list_faults(annotation[field], number, field)
    return found


def _small_fields_faults(annotation: Mapping[str, Any]) -> List[Found]:
    """Faults of area, iscrowd and segmentation. None stands for nothing there."""
    found: List[Found] = []
    area, crowd, region = annotation.get('area'), annotation.get('iscrowd'), annotation.get('segmentation')
    if area is not None and not (is_number(area) and 0 <= area <= MOST_AREA):
        found.append(('area malformed', f'area={area!r:.50}: a number from 0 to {MOST_AREA:.0e} is expected'))
    elif area == 0:
        found.append(('area zero', 'area=0'))
    if crowd is not None and not (isinstance(crowd, (int, float)) and crowd in (0, 1)):
        found.append(('crowd flag', f'iscrowd={crowd!r:.50}: 0 or 1 is expected'))
    odd = region.odd if isinstance(region, Outline) else region is not None and not is_region(region)
    if odd:
        found.append(('segmentation', 'lists of at least 6 numbers, or counts and size are expected'))
    return found
