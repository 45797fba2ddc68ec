"""Faults of annotations in COCO's format: what is wrong, and what training does about it."""
import math
from collections import Counter
from typing import Any, Dict, Hashable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

# A joint as far outside the photo as this fraction of its longer side is no person that leaves the picture.
FAR_OUTSIDE = 0.5
# What rounding puts outside, in px.
ROUNDING = 1.0


# What our data sets do with a person of whom it is true.
KEPT, LEFT_OUT, STOPS = 'kept', 'left out', 'stops'


class Kind(NamedTuple):
    """``level``: 'error' or 'warning'. ``in_training``: KEPT, LEFT_OUT or STOPS. ``meaning``: for people."""
    level: str
    in_training: str
    meaning: str


KINDS: Dict[str, Kind] = {
    'file': Kind('error', STOPS, 'no JSON in UTF-8, or not in the format of a data set'),
    'entry': Kind('error', STOPS, 'a photo without id, or an annotation without id, photo or category'),
    'photo entry': Kind('error', LEFT_OUT, 'a photo without name or size, or with a size that is no positive integer'),
    'photo name': Kind('error', LEFT_OUT, 'a file name that is no text in UTF-8'),
    'photo id twice': Kind('error', LEFT_OUT, 'several photos with one id; persons are dropped where these photos differ'),
    'photo missing': Kind('error', LEFT_OUT, 'no such file'),
    'photo unreadable': Kind('error', LEFT_OUT, 'a file that OpenCV cannot decode'),
    'photo cut short': Kind('error', LEFT_OUT, 'a JPEG file whose end is missing'),
    'photo size': Kind('error', KEPT, 'a photo of another size than the annotations say'),
    'id twice': Kind('error', LEFT_OUT, 'several annotations with one id; the last one is kept'),
    'unknown photo': Kind('error', LEFT_OUT, 'an annotation of a photo that the file does not list'),
    'unknown category': Kind('error', KEPT, 'an annotation of a category that the file does not list'),
    'box malformed': Kind('error', LEFT_OUT, 'a box that is not four finite numbers'),
    'box negative': Kind('error', LEFT_OUT, 'a box of negative width or height'),
    'box empty': Kind('error', LEFT_OUT, 'a box of no area'),
    'box outside': Kind('error', LEFT_OUT, 'a box of which nothing, or less than a pixel, is in the photo'),
    'box partly outside': Kind('warning', KEPT, f'a box more than {ROUNDING:.0f} px over the edge; it is clipped'),
    'joints malformed': Kind('error', LEFT_OUT, 'joints that are not (x, y, flag) as often as the category has joints'),
    'joints not finite': Kind('error', LEFT_OUT, 'a joint at NaN or infinity'),
    'joint flag': Kind('error', KEPT, 'a visibility other than 0, 1 and 2; below 1 is not labelled, above 2 is visible'),
    'joint far outside': Kind('error', KEPT, 'a labelled joint far outside the photo; it is not learned'),
    'joint count': Kind('error', KEPT, 'num_keypoints is not the number of labelled joints'),
    'no pose': Kind('warning', LEFT_OUT, 'an annotation without box or joints; not a training person'),
    'no joint': Kind('warning', LEFT_OUT, 'no joint is labelled; not a training person'),
    'detection': Kind('error', LEFT_OUT, 'a detected box of no area, or not of finite numbers'),
    'detection photo': Kind('error', STOPS, 'a detected box of a photo that is not listed'),
}

Found = Tuple[str, str]  # kind and detail


class Fault(NamedTuple):
    """Something wrong. Ids are those of the annotation file; None where it is not about one."""
    kind: str
    detail: str
    annotation_id: Optional[Hashable] = None
    image_id: Optional[Hashable] = None
    file_name: Optional[str] = None


def box_faults(box: Any, size_wh: Optional[Sequence[int]] = None) -> List[Found]:
    """Faults of a box (x, y, w, h) in px of a photo of the given size, where that is known."""
    if not _are_finite(box, 4):
        return [('box malformed', f'bbox={box!r}')]
    x, y, w, h = box
    if w < 0 or h < 0:
        return [('box negative', f'bbox={box}')]
    if w == 0 or h == 0:
        return [('box empty', f'bbox={box}')]
    if size_wh is None:
        return []
    width, height = size_wh
    # MMPose clips boxes to the centres of the first and the last pixel.
    if x >= width - 1 or y >= height - 1 or x + w <= 0 or y + h <= 0:
        return [('box outside', f'bbox={box} in {width}x{height} px')]
    if min(x, y) < -ROUNDING or x + w > width + ROUNDING or y + h > height + ROUNDING:
        return [('box partly outside', f'bbox={box} in {width}x{height} px')]
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
    expected = None if num_keypoints is None else 3 * num_keypoints
    if not isinstance(keypoints, (list, tuple)) or len(keypoints) % 3 or expected not in (None, len(keypoints)):
        count = f'{len(keypoints)} numbers' if isinstance(keypoints, (list, tuple)) else repr(keypoints)
        return [('joints malformed', f'{count} where {"3 per joint" if expected is None else expected} are expected')]
    if not _are_finite(keypoints):
        are_numbers = all(_is_number(value) for value in keypoints)
        return [('joints not finite', 'NaN or infinite')] if are_numbers else [('joints malformed', 'not all are numbers')]
    flags = keypoints[2::3]
    found: List[Found] = []
    odd = {flag for flag in flags if flag not in (0, 1, 2)}
    if odd:
        found.append(('joint flag', f'{", ".join(map(str, sorted(odd)))}'))
    labelled = sum(flag > 0 for flag in flags)
    if num_labelled is not None and num_labelled != labelled:
        found.append(('joint count', f'num_keypoints={num_labelled!r}, but {labelled} are labelled'))
    if not labelled:
        found.append(('no joint', 'all flags are 0'))
    elif size_wh is not None:
        far = FAR_OUTSIDE * max(size_wh)
        width, height = size_wh
        for i, (x, y, flag) in enumerate(zip(keypoints[::3], keypoints[1::3], flags)):
            if flag > 0 and not (-far <= x <= width + far and -far <= y <= height + far):
                found.append(('joint far outside', f'joint {i} at ({x}, {y}) in {width}x{height} px'))
                break
    return found


def annotation_faults(annotation: Mapping[str, Any], image: Mapping[str, Any], num_keypoints: Optional[int]) -> List[Found]:
    """Faults that an annotation has by itself: of its box and its joints."""
    size_wh = (image['width'], image['height']) if 'width' in image else None
    if 'bbox' not in annotation or 'keypoints' not in annotation:
        return [('no pose', f'it has no {"bbox" if "bbox" not in annotation else "keypoints"}')]
    return box_faults(annotation['bbox'], size_wh) + joint_faults(annotation['keypoints'], num_keypoints, size_wh,
                                                                  annotation.get('num_keypoints'))


def image_faults(image: Any, sized: bool = True) -> List[Found]:
    """Faults of a photo's entry. ``sized``: whether it has to have a size, which MPII does not tell."""
    if not isinstance(image, dict) or not isinstance(image.get('id'), Hashable) or 'id' not in image:
        return [('entry', f'{image!r:.200} has no id')]
    name = image.get('file_name')
    if not isinstance(name, str) or not name:
        return [('photo entry', f'file_name={name!r}')]
    try:
        name.encode('utf-8')
    except UnicodeEncodeError as error:
        return [('photo name', f'{name!r}: {error.reason}')]
    sizes = [image.get(side) for side in ('width', 'height')]
    if sized and not all(isinstance(size, int) and size > 0 for size in sizes):
        return [('photo entry', f'width={sizes[0]!r}, height={sizes[1]!r}')]
    return []


def ambiguous_images(images: Sequence[Mapping[str, Any]]) -> Tuple[Dict[Hashable, int], List[Hashable]]:
    """Photo ids that come more than once, with how often, and those of them whose entries differ in name or size."""
    counts = Counter(image['id'] for image in images)
    repeated = {image_id: count for image_id, count in counts.items() if count > 1}
    entries: Dict[Hashable, Set[Tuple[Any, ...]]] = {image_id: set() for image_id in repeated}
    for image in images:
        if image['id'] in repeated:
            entries[image['id']].add((image.get('file_name'), image.get('width'), image.get('height')))
    return repeated, [image_id for image_id, different in entries.items() if len(different) > 1]


def find_faults(content: Any, sized: bool = True) -> Iterator[Fault]:
    """All faults of a file in COCO's format but those of the photos themselves.

    Args:
        content: The file as ``json.load`` gives it. How many joints a person has is what its categories say.
        sized (bool): Whether photos have to have a size. Defaults to True.
    """
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in ('images', 'annotations')):
        yield Fault('file', "it is no object with the lists 'images' and 'annotations'")
        return
    with_id, images = [], {}
    for image in content['images']:
        found = image_faults(image, sized)
        if any(kind == 'entry' for kind, _ in found):
            yield Fault(*found[0])
            continue
        image_id, name = image['id'], image.get('file_name')
        yield from (Fault(kind, detail, None, image_id, name) for kind, detail in found)
        with_id.append(image)
        images[image_id] = dict(file_name=name) if found else image
    repeated, differing = ambiguous_images(with_id)
    for image_id, count in repeated.items():
        how = 'that differ' if image_id in differing else 'that are alike'
        yield Fault('photo id twice', f'{count} entries {how}', None, image_id, images[image_id].get('file_name'))
    yield from _annotations_faults(content, images)


def _annotations_faults(content: Mapping[str, Any], images: Mapping[Hashable, Mapping[str, Any]]) -> Iterator[Fault]:
    categories = {category.get('id'): category for category in content.get('categories') or () if isinstance(category, dict)}
    counts: Counter = Counter()
    for position, annotation in enumerate(content['annotations']):
        keys = [annotation.get(key) if isinstance(annotation, dict) else None for key in ('id', 'image_id', 'category_id')]
        if any(key is None or not isinstance(key, Hashable) for key in keys):
            yield Fault('entry', f'the one at position {position}: id={keys[0]!r:.50}, image_id={keys[1]!r:.50}, '
                        f'category_id={keys[2]!r:.50}')
            continue
        annotation_id, image_id, category_id = keys
        counts[annotation_id] += 1
        image = images.get(image_id, {})
        where = (annotation_id, image_id, image.get('file_name'))
        if not image:
            yield Fault('unknown photo', f'image_id={image_id!r}', *where)
        if category_id not in categories:
            yield Fault('unknown category', f'category_id={category_id!r}', *where)
        names = categories.get(category_id, {}).get('keypoints')
        for kind, detail in annotation_faults(annotation, image, len(names) if names else None):
            yield Fault(kind, detail, *where)
        if counts[annotation_id] == 2:
            yield Fault('id twice', f'id={annotation_id!r}', *where)


def find_detection_faults(detections: Any, image_ids: Sequence[Hashable]) -> Iterator[Fault]:
    """Faults of a file of detected boxes; the id is a detection's position in it."""
    if not isinstance(detections, list):
        yield Fault('file', f'it is no list of detections but a {type(detections).__name__}')
        return
    known = set(image_ids)
    for position, detection in enumerate(detections):
        entry = detection if isinstance(detection, dict) else {}
        image_id = entry.get('image_id')
        box, score = entry.get('bbox'), entry.get('score')
        if image_id not in known:
            yield Fault('detection photo', f'image_id={image_id!r}', position, image_id)
        elif any(kind.startswith('box') for kind, _ in box_faults(box)) or not _are_finite([score]):
            yield Fault('detection', f'bbox={box!r}, score={score!r}', position, image_id)


def mpii_as_coco(persons: Sequence[Mapping[str, Any]], num_keypoints: int = 16) -> Dict[str, Any]:
    """MPII's list of persons in COCO's format; a person's id is its position. Sizes of photos are not known.

    Raises:
        TypeError: if it is no list of persons.
    """
    if not isinstance(persons, list) or not all(isinstance(person, dict) for person in persons):
        raise TypeError('it is no list of persons, as MPII annotations are')
    annotations = []
    for i, person in enumerate(persons):
        center, scale = person.get('center'), person.get('scale')
        side = 200 * scale if _are_finite([scale]) else math.nan
        x, y = center if _are_finite(center, 2) else (math.nan, math.nan)
        joints, flags = person.get('joints'), person.get('joints_vis')
        fits = isinstance(joints, list) and isinstance(flags, list) and len(joints) == len(flags) and all(
            isinstance(joint, list) and len(joint) == 2 for joint in joints)
        triplets = [value for joint, flag in zip(joints, flags)
                    for value in (*joint, 2 * flag if _is_number(flag) else flag)] if fits else joints
        name = person.get('image')
        annotations.append(dict(id=i, image_id=name if isinstance(name, str) else None, category_id=1, keypoints=triplets,
                                bbox=[x - side / 2, y - side / 2, side, side]))
    names = dict.fromkeys(annotation['image_id'] for annotation in annotations)
    images = [dict(id=name, file_name=name) for name in names if name is not None]
    return dict(images=images, annotations=annotations,
                categories=[dict(id=1, name='person', keypoints=[str(i) for i in range(num_keypoints)])])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _are_finite(values: Any, count: Optional[int] = None) -> bool:
    """Whether it is a list of finite numbers, and of so many. A sum tells at once, unless it is infinite by itself."""
    if not isinstance(values, (list, tuple)) or count not in (None, len(values)):
        return False
    try:
        return math.isfinite(sum(values)) or all(math.isfinite(value) for value in values)
    except (TypeError, OverflowError):
        return False
