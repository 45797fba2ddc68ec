"""MPII's annotations, looked at by the rules for COCO's."""
import math
from typing import Any, Dict, Mapping, Sequence

from .values import are_finite, is_number


def mpii_as_coco(persons: Sequence[Mapping[str, Any]], num_keypoints: int = 16) -> Dict[str, Any]:
    """MPII's list of persons in COCO's format. Ids are positions, of persons and of photos; sizes of photos are not known.

    Raises:
        TypeError: if it is no list of persons, or a photo has no number for a name, which MMPose takes for its id.
    """
    if not isinstance(persons, list) or not all(isinstance(person, dict) for person in persons):
        raise TypeError('it is no list of persons, as MPII annotations are')
    names: Dict[str, int] = {}
    annotations = []
    for i, person in enumerate(persons):
        center, scale = person.get('center'), person.get('scale')
        side = 200 * scale if are_finite([scale]) else math.nan
        x, y = center if are_finite(center, 2) else (math.nan, math.nan)
        joints, flags = person.get('joints'), person.get('joints_vis')
        fits = isinstance(joints, list) and isinstance(flags, list) and len(joints) == len(flags) and all(
            isinstance(joint, list) and len(joint) == 2 for joint in joints)
        triplets = [value for joint, flag in zip(joints, flags)
                    for value in (*joint, 2 * flag if is_number(flag) else flag)] if fits else joints
        name = person.get('image')
        if isinstance(name, str) and not name.split('.')[0].strip().isdecimal():
            raise TypeError(f"person {i}: image={name!r:.50}: a number is expected before the suffix, as in '000001163.jpg'")
        image_id = names.setdefault(name, len(names)) if isinstance(name, str) else None
        annotations.append(dict(id=i, image_id=image_id, category_id=1, keypoints=triplets, area=1.,
                                bbox=[x - side / 2, y - side / 2, side, side]))
    images = [dict(id=image_id, file_name=name) for name, image_id in names.items()]
    return dict(images=images, annotations=annotations,
                categories=[dict(id=1, name='person', keypoints=[str(i) for i in range(num_keypoints)])])
