"""One judgement of a file in COCO's format, which the checker lists and data sets and metrics act upon."""
from collections import Counter
from typing import Any, Dict, Hashable, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .faults import (
    ANY_LAYOUT,
    MOST_PX,
    NO_JOINT_FAULT,
    Layout,
    annotation_faults,
    are_ids,
    id_fault,
    image_faults,
    labelled_joints,
)
from .kinds import KINDS, LEFT_OUT, STOPS, Fault
from .screening import NO_JOINT, SOUND, screen
from .values import is_number

# What an annotation is left out for, by data sets and metrics; without joints it is a region that metrics ignore.
UNUSABLE = frozenset(kind for kind, (level, in_training, _) in KINDS.items() if in_training == LEFT_OUT and (
    level == 'error' or kind == 'no pose'))
_IDS = ('id', 'image_id', 'category_id')
# What changes the flags of joints.
FLAGS_CHANGE = frozenset(('joint flag', 'joint far outside', 'no joint'))


class Judgement(NamedTuple):
    """What is wrong with a file, and what of it can be used.

    Attributes:
        faults (list[Fault]): All, in the order of the file. With one whose kind STOPS the rest is not to be used.
        content (dict): ``images``, ``annotations``, ``categories`` without what is left out. Of what is kept, sizes are
            integers, and num_keypoints, iscrowd and the flags of joints are what they mean; what is null is not there.
            Annotations without a labelled joint and crowds are in it: evaluation ignores what is found there.
        people (tuple[int, ...]): Categories of persons.
    """
    faults: List[Fault]
    content: Dict[str, Any]
    people: Tuple[int, ...] = ()

    @property
    def stops(self) -> List[Fault]:
        """Faults for which the whole file is refused."""
        return [fault for fault in self.faults if KINDS[fault.kind].in_training == STOPS]


def judge(content: Any, layout: Layout = ANY_LAYOUT, needs_people: bool = True, needs_joints: bool = True,
          needs_crowd_index: bool = False) -> Judgement:
    """Judge the content of a file. What is kept is changed in place, not copied.

    Args:
        content: The file as ``json.load`` gives it.
        layout (Layout): What the data set expects of an annotation. Defaults to ``keypoints``, as many as the categories name.
        needs_people (bool): False for what has no annotations or none that can be used, such as COCO's ``image_info``.
        needs_joints (bool): False for people to predict, of whom nobody needs a labelled joint, such as MPII's.
        needs_crowd_index (bool): Whether photos need the number ``crowdIndex``.
    """
    if not isinstance(content, dict) or not isinstance(content.get('images'), list) or not isinstance(
            content.get('annotations', [] if not needs_people else None), list):
        return Judgement([Fault('file', "it is no object with the lists 'images' and 'annotations'")], {})
    faults: List[Fault] = []
    categories = _Categories(content, layout, faults)
    images = _judge_images(content['images'], layout.sized, faults)
    if needs_crowd_index:
        lacking = [image['id'] for image in images.values() if not is_number(image.get('crowdIndex'))]
        if lacking:
            faults.append(Fault('crowd index', f'{len(lacking)} photos, the first: crowdIndex='
                                f'{images[lacking[0]].get("crowdIndex")!r:.50} where a number is expected', None, lacking[0]))
    persons = _Persons(images, categories, layout, needs_joints)
    annotations = persons.judge(content.get('annotations', []), faults)
    stopped = any(KINDS[fault.kind].in_training == STOPS for fault in faults)
    if not stopped and (needs_people or content.get('annotations')):
        faults += persons.summary(annotations)
    usable = dict(content, images=[image for image in images.values() if 'width' in image or not layout.sized],
                  annotations=annotations, categories=categories.listed)
    return Judgement(faults, usable, categories.of_people(persons.usable))


class _Categories:
    """Categories of a file, and how many joints each has."""

    def __init__(self, content: Mapping[str, Any], layout: Layout, faults: List[Fault]) -> None:
        self.listed: List[Dict[str, Any]] = []
        self.fields: Dict[Hashable, Sequence[Tuple[str, Optional[int]]]] = {}
        found = content.get('categories')
        if not isinstance(found, list) or not found:
            is_there = 'categories' in content
            faults.append(Fault('category', f'categories={found!r:.50}: a list of objects is expected' if is_there else
                                "it has no categories: a list like [{'id': 1, 'name': 'person'}] is expected"))
            return
        for position, category in enumerate(found):
            where = f'categories[{position}]'
            fault = id_fault(category, 'id') if isinstance(category, dict) else f'{category!r:.50} is no object'
            names = category.get('keypoints') if not fault else None
            if not fault and category['id'] in self.fields:
                fault = f'id={category["id"]} is that of another category'
            if not fault and not (names is None or isinstance(names, list) and all(isinstance(name, str) for name in names)):
                fault = f'keypoints={names!r:.50}: a list of names is expected'
            if fault:
                faults.append(Fault('category', f'{where}: {fault}'))
                continue
            self.listed.append(category)
            (body, count), *parts = layout.fields
            self.fields[category['id']] = ((body, count or len(names or ()) or None), *parts)
            if names and layout.names:
                faults.extend(_names_fault(where, names, layout.names[:count]))

    def of_people(self, used: Iterable[int]) -> Tuple[int, ...]:
        """Categories of the persons that can be used; if there are none, those that have joints, or are called person."""
        ids = {category['id']: category for category in self.listed}
        named = [key for key, category in ids.items() if category.get('keypoints')]
        called = [key for key, category in ids.items() if str(category.get('name')).strip().lower() == 'person']
        return tuple(sorted(set(used)) or named or called or list(ids))


def _names_fault(where: str, names: Sequence[str], expected: Sequence[str]) -> Iterator[Fault]:
    plain, wanted = ([''.join(filter(str.isalnum, name.lower())) for name in some] for some in (names, expected))
    if plain != wanted and len(names) == len(expected):
        i = next(i for i in range(len(names)) if plain[i] != wanted[i])
        how = 'in another order' if sorted(plain) == sorted(wanted) else 'by other names'
        yield Fault('joint names', f'{where} lists the joints {how}: joint {i} is {names[i]!r} where the data set has '
                    f'{expected[i]!r}')


def _judge_images(entries: Sequence[Any], sized: bool, faults: List[Fault]) -> Dict[int, Dict[str, Any]]:
    """Photos by id. Those that cannot be used have their id and name alone; of those with one id the last one counts."""
    images: Dict[int, Dict[str, Any]] = {}
    repeated: Dict[int, List[Dict[str, Any]]] = {}
    for position, image in enumerate(entries):
        fault = id_fault(image, 'id') if isinstance(image, dict) else f'{image!r:.50} is no object'
        if fault:
            faults.append(Fault('entry', f'images[{position}]: {fault}'))
            continue
        image_id, name = image['id'], image.get('file_name')
        found = image_faults(image, sized)
        faults += (Fault(kind, detail, None, image_id, name if isinstance(name, str) else None) for kind, detail in found)
        if found:
            image = dict(id=image_id, file_name=None)
        elif sized:
            image['width'], image['height'] = int(image['width']), int(image['height'])
        if image_id in images:
            repeated.setdefault(image_id, [images[image_id]]).append(image)
        images[image_id] = image
    for image_id, alike in repeated.items():
        differ = len({(image.get('file_name'), image.get('width'), image.get('height')) for image in alike}) > 1
        faults.append(Fault('photo id twice' if differ else 'photo listed twice', f'{len(alike)} entries', None, image_id,
                            alike[0]['file_name']))
        if differ:
            images[image_id] = dict(id=image_id, file_name=None)
    return images


class _Persons:
    """Judges annotations, one by one where screening leaves a doubt, and knows what all of them have in common."""

    def __init__(self, images: Mapping[int, Mapping[str, Any]], categories: _Categories, layout: Layout,
                 needs_joints: bool) -> None:
        self.images, self.categories, self.layout, self.needs_joints = images, categories, layout, needs_joints
        self.usable: Counter = Counter()  # by category
        self.reasons: Counter = Counter()
        self.without_area = 0
        self.never: Set[int] = set()
        self.num_joints = 0

    def judge(self, entries: Sequence[Any], faults: List[Fault]) -> List[Dict[str, Any]]:
        """Those that can be used, in order. Faults are added."""
        with_ids, usable = _with_ids(entries, faults), []
        counts = Counter(annotation['id'] for annotation in with_ids)
        twice = {person: count for person, count in counts.items() if count > 1}
        left = dict(twice)
        screened = screen(with_ids, self.images, self.categories.fields, twice)
        for annotation, verdict in zip(with_ids, screened.verdicts):
            person, photo = annotation['id'], annotation['image_id']
            if verdict == SOUND or verdict == NO_JOINT and self.needs_joints:
                if verdict == NO_JOINT:
                    faults.append(Fault(*NO_JOINT_FAULT, person, photo, self.images[photo]['file_name']))
                self._count(annotation, annotation['num_keypoints'], len(screened.seen))
                usable.append(annotation)
                continue
            image = self.images.get(photo, {})
            name = image.get('file_name')
            if person in left:
                left[person] -= 1
            is_replaced = left.get(person, 0) > 0
            found = self._faults(annotation, image)
            faults += (Fault(kind, detail, person, photo, name) for kind, detail in found)
            kinds = {kind for kind, _ in found}
            if is_replaced or not name or not kinds.isdisjoint(UNUSABLE):
                self.reasons.update(kinds or ['id twice' if is_replaced else 'photo entry'])
                continue
            self._complete(annotation, image, kinds)
            usable.append(annotation)
        self.never.difference_update(screened.seen.nonzero()[0].tolist())
        faults += (Fault('id twice', f'{count} annotations with id={person}', person) for person, count in twice.items())
        return usable

    def _faults(self, annotation: Mapping[str, Any], image: Mapping[str, Any]) -> List[Tuple[str, str]]:
        found = []
        if not image:
            found.append(('unknown photo', f'image_id={annotation["image_id"]}'))
        category = annotation['category_id']
        if category not in self.categories.fields and self.categories.listed:
            found.append(('unknown category', f'category_id={category}, where the file lists '
                          f'{", ".join(map(str, self.categories.fields))}'))
        fields = self.categories.fields.get(category, self.layout.fields)
        found += annotation_faults(annotation, _size_wh(image), fields)
        return found if self.needs_joints else [fault for fault in found if fault[0] != 'no joint']

    def _complete(self, annotation: Dict[str, Any], image: Mapping[str, Any], kinds: Set[str]) -> None:
        """Give an annotation the fields that it may lack, and make those that are odd what they mean."""
        body, *parts = (field for field, _ in self.layout.fields)
        if annotation.get('area') is None:
            self.without_area += 1
            annotation.pop('area', None)
        if annotation.get('iscrowd') is None:
            annotation['iscrowd'] = False
        if 'segmentation' in kinds:
            annotation['segmentation'] = None
        if parts:  # MMPose's data set of whole bodies reads it.
            annotation.setdefault('segmentation')
        if not kinds.isdisjoint(FLAGS_CHANGE) and any(annotation[body][2::3]):
            annotation[body] = _plain_joints(annotation[body], labelled_joints(annotation[body], _size_wh(image)))
        for field in (body, *parts):
            if max(annotation[field]) > MOST_PX or min(annotation[field]) < -MOST_PX:
                annotation[field] = _near_joints(annotation[field])
        flags = annotation[body][2::3]
        count = annotation.get('num_keypoints')
        if count is None or 'joint count' in kinds or not kinds.isdisjoint(FLAGS_CHANGE):
            count = len(flags) - flags.count(0)
            if 'num_keypoints' in annotation or not count:
                annotation['num_keypoints'] = count
        if self._count(annotation, count, len(flags)) and self.never:
            self.never.difference_update([i for i in self.never if i < len(flags) and flags[i]])

    def _count(self, annotation: Mapping[str, Any], count: int, num_joints: int) -> bool:
        """Count an annotation with ``count`` labelled of ``num_joints`` joints, and tell whether it is a person to be used."""
        if annotation['iscrowd'] or not count and self.needs_joints:
            self.reasons['a crowd' if annotation['iscrowd'] else 'no joint'] += 1
            return False
        if not self.usable and self.needs_joints:
            self.num_joints, self.never = num_joints, set(range(num_joints))
        self.usable[annotation['category_id']] += 1
        return True

    def summary(self, annotations: Sequence[Any]) -> Iterator[Fault]:
        """What is said once of all of them."""
        if not self.usable:
            reasons = ', '.join(f'{count} of {kind!r}' for kind, count in self.reasons.most_common())
            yield Fault('nobody', f'no person in it has a box{" and a labelled joint" if self.needs_joints else ""}' +
                        (f'; {reasons}' if reasons else ', no annotation at all'))
            return
        if self.without_area:
            yield Fault('area missing', f'{self.without_area} of {len(annotations)} annotations')
        if self.never:
            names = self.layout.names or [str(i) for i in range(self.num_joints)]
            joints = ', '.join(f'{i} ({names[i]})' if self.layout.names else names[i] for i in sorted(self.never))
            yield Fault('joint without labels', f'{joints}, of {sum(self.usable.values())} persons. Heads with '
                        "visibility_rule='authors' teach it as absent, with 'mmpose' leave it out")


def _with_ids(entries: Sequence[Any], faults: List[Fault]) -> Sequence[Dict[str, Any]]:
    """Annotations whose ids are sound. Faults of the others are added."""
    if set(map(type, entries)) == {dict} and all(are_ids(
            [annotation.get(key) for annotation in entries]) for key in _IDS):
        return entries
    with_ids = []
    for position, annotation in enumerate(entries):
        fault = next(filter(None, (id_fault(annotation, key) for key in _IDS)), None) if isinstance(annotation, dict) else \
            f'{annotation!r:.50} is no object'
        if fault:
            faults.append(Fault('entry', f'annotations[{position}]: {fault}'))
        else:
            with_ids.append(annotation)
    return with_ids


def _size_wh(image: Mapping[str, Any]) -> Optional[Tuple[int, int]]:
    return (image['width'], image['height']) if 'width' in image else None


def _plain_joints(joints: Sequence[float], labelled: Sequence[bool]) -> List[float]:
    """Joints whose flags are 0, 1 and 2."""
    return [value for i, is_one in enumerate(labelled)
            for value in ((*joints[3 * i:3 * i + 2], 2 if joints[3 * i + 2] >= 2 else 1) if is_one else (0, 0, 0))]


def _near_joints(joints: Sequence[float]) -> List[float]:
    """Joints without coordinates that float32 does not hold. Whoever is labelled has none."""
    return [value for i in range(0, len(joints), 3)
            for value in (joints[i:i + 3] if max(map(abs, joints[i:i + 2])) <= MOST_PX else (0, 0, 0))]
