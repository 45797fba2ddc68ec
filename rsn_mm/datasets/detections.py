"""The judgement of a file of detected boxes, and of what it shares with an annotation file."""
from collections import Counter
from typing import Any, Dict, Hashable, List, NamedTuple, Optional, Sequence, Tuple

from .faults import box_faults, id_fault
from .judgement import Judgement
from .kinds import Fault
from .values import are_finite

# The category of people in COCO, which MMPose takes for that of people in any file of detections.
PEOPLE = 1


class Detections(NamedTuple):
    """Faults, and what can be used: each detection's position in its file, entry, and the annotation file's category."""
    faults: List[Fault]
    usable: List[Tuple[int, Dict[str, Any], int]]


def judge_detections(detections: Any, truth: Judgement, annotations: str = 'the annotation file') -> Detections:
    """Judge detected boxes. A fault's ``annotation_id`` is a detection's position in the file.

    Detections of other categories than those of people are no fault and left out. A category that both files have is the
    same; if they share none, that of COCO's people, or the only one of the file, is the only one of the annotations.

    Args:
        detections: The file as ``json.load`` gives it.
        truth (Judgement): That of the annotation file.
        annotations (str): The annotation file's name, for messages.
    """
    if not isinstance(detections, list):
        return Detections([Fault('file', f'it is no list of detections but {_kind_of(detections)}')], [])
    sizes = {image['id']: image for image in truth.content['images']}
    counts: Counter = Counter(_category(entry) for entry in detections if isinstance(entry, dict))
    taken, faults = _match(counts, truth.people, annotations)
    usable: List[Tuple[int, Dict[str, Any], int]] = []
    wrong: List[Fault] = []
    for position, entry in enumerate(detections):
        category = taken.get(_category(entry)) if isinstance(entry, dict) else None
        if isinstance(entry, dict) and category is None and _category(entry) != 'malformed':
            continue
        fault = _detection_fault(position, entry, sizes)
        if fault is not None:
            wrong.append(fault)
        elif category is not None:
            usable.append((position, entry, category))
    if not usable and not any(fault.kind == 'detection none' for fault in faults):
        reasons = Counter(fault.kind for fault in wrong)
        reason = ', '.join(f'{count} of {kind!r}' for kind, count in reasons.items()) or 'it is empty'
        first = f'; the first: {wrong[0].detail}' if wrong else ''
        faults.append(Fault('detection none', f'no box is of a photo and of people in {annotations}: {reason}{first}'))
    return Detections(faults + wrong + _photos_without(truth, usable), usable)


def _category(entry: Dict[str, Any]) -> Hashable:
    category = entry.get('category_id')
    return category if category is None or id_fault(entry, 'category_id') is None else 'malformed'


def _match(counts: Counter, people: Sequence[int], annotations: str) -> Tuple[Dict[Hashable, int], List[Fault]]:
    """Which categories of the detections are which of the annotations."""
    found = [category for category in counts if category != 'malformed']
    shared = [category for category in found if category in people]
    others = sum(count for category, count in counts.items() if category not in people and category != 'malformed')
    if shared:
        if PEOPLE in found and PEOPLE not in people:
            fault = Fault('detection category', f'category_id={shared[0]} is taken, as people have it in {annotations}; '
                          f'{others} boxes of other categories, among them {PEOPLE}, are not')
            return {category: category for category in shared}, [fault]
        return {category: category for category in shared}, []
    if not found:
        return {}, []
    only: Optional[Hashable] = PEOPLE if PEOPLE in found else found[0] if len(found) == 1 else 'none'
    if len(people) == 1 and only != 'none':
        if only is None:  # Nobody names a category where there is but one.
            return {None: people[0]}, []
        return {only: people[0]}, [Fault('detection category', f'category_id={only} is taken for {people[0]}, the category of '
                                         f'people in {annotations}')]
    return {}, [Fault('detection none', f'its category_id is {_some(found)}, that of people in {annotations} is '
                      f'{_some(people)}. Give both files the same id')]


def _some(ids: Sequence[Hashable], most: int = 5) -> str:
    return ' or '.join(map(str, ids[:most])) + (f' and {len(ids) - most} more' if len(ids) > most else '')


def _detection_fault(position: int, entry: Any, images: Dict[int, Dict[str, Any]]) -> Optional[Fault]:
    if not isinstance(entry, dict):
        return Fault('detection', f'{entry!r:.50} is no object', position)
    image_id, box, score = entry.get('image_id'), entry.get('bbox'), entry.get('score')
    wrong = id_fault(entry, 'image_id')
    if wrong or image_id not in images:
        return Fault('detection photo', wrong or f'image_id={image_id}, which is not listed', position,
                     None if isinstance(image_id, (list, dict)) else image_id)
    malformed = None if entry.get('category_id') is None else id_fault(entry, 'category_id')
    if malformed:
        return Fault('detection', malformed, position, image_id)
    box = box[:4] if isinstance(box, list) else box  # Some detectors write the score behind.
    found = [detail for kind, detail in box_faults(box)]
    if not found and not are_finite([score]):
        found = [f'score={score!r:.50}: a number is expected']
    return Fault('detection', found[0], position, image_id) if found else None


def _photos_without(truth: Judgement, usable: Sequence[Tuple[int, Dict[str, Any], int]]) -> List[Fault]:
    covered = {entry['image_id'] for _, entry, _ in usable}
    lacking = dict.fromkeys(person['image_id'] for person in truth.content['annotations'] if person['image_id'] not in covered
                            and person.get('num_keypoints', 1) and not person['iscrowd'])
    if not lacking or not usable:
        return []
    total = len({person['image_id'] for person in truth.content['annotations']})
    return [Fault('photo without boxes', f'{len(lacking)} of {total} photos with people, the first: {next(iter(lacking))}')]


def _kind_of(value: Any) -> str:
    return 'an object' if isinstance(value, dict) else f'{value!r:.50}'
