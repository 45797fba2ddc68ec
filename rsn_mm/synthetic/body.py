"""From a posed skeleton and an outfit to the solids that are drawn. Lengths in statures."""
from typing import List, Optional, Tuple

import numpy as np

from rsn_mm.synthetic.outfit import Outfit
from rsn_mm.synthetic.render import Cloth, Part, RoundCone
from rsn_mm.synthetic.skeleton import SIDES, BodyShape, PosedBody

# Share of a limb that a garment covers; 2 is all of it.
SLEEVE_HEMS = {'none': (-1.0, -1.0), 'short': (0.72, -1.0), 'long': (2.0, 0.92)}
LEG_HEMS = {'trousers': (2.0, 0.93), 'shorts': (0.72, -1.0), 'skirt': (0.3, -1.0), 'dress': (0.3, -1.0)}
WHITE = Cloth((0.96, 0.96, 0.94))
WOOD = Cloth((0.50, 0.34, 0.20))
PROP = 'prop'


def build_parts(shape: BodyShape, body: PosedBody, outfit: Outfit, seated: bool = False) -> Tuple[Part, ...]:
    """All solids of one person.

    Args:
        shape (BodyShape): proportions; ``girth`` scales the thicknesses.
        body (PosedBody): points and frames from the forward kinematics.
        outfit (Outfit): colours and garments.
        seated (bool): add a stool below the pelvis. Its part is named ``PROP``: it hides what is behind it but does
            not belong to the person.

    Returns:
        tuple: parts in statures, in no particular order (depth decides what is seen).
    """
    parts = [*_torso(shape, body, outfit), *_head(shape, body, outfit), *_face(shape, body, outfit),
             *_hair(shape, body, outfit)]
    for side, _ in SIDES:
        parts += _arm(shape, body, outfit, side)
        parts += _leg(shape, body, outfit, side)
    if outfit.bottom_style in ('skirt', 'dress'):
        parts += _skirt(shape, body, outfit)
    if seated:
        down = body.frames['pelvis'][:, 1]
        parts.append(Part(PROP, RoundCone(0.16 * down, (shape.shank + 0.03) * down, 0.075, 0.085), WOOD))
    return tuple(parts)


def _torso(shape: BodyShape, body: PosedBody, outfit: Outfit) -> List[Part]:
    points, chest, pelvis = body.points, body.frames['chest'], body.frames['pelvis']
    girth, top = shape.girth, outfit.top
    upper = points['neck'] + 0.085 * chest[:, 1]
    shoulders = points['left_shoulder'], points['right_shoulder']
    parts = [
        Part('torso', RoundCone(upper, -0.03 * pelvis[:, 1], 0.108 * girth, 0.088 * girth, chest[:, 2], 0.66), top,
             frame=chest),
        Part('shoulders', RoundCone(*shoulders, 0.043 * girth, 0.043 * girth), top,
             ('left_shoulder', 'right_shoulder'), frame=chest),
        Part('pelvis', RoundCone(points['left_hip'], points['right_hip'], 0.079 * girth, 0.079 * girth,
                                 pelvis[:, 2], 0.82), outfit.bottom, ('left_hip', 'right_hip'), frame=pelvis),
        Part('neck', RoundCone(points['neck'] + 0.03 * chest[:, 1], points['head'], 0.036 * girth, 0.034 * girth),
             outfit.skin),
        # An open collar and buttons: the front of a headless torso differs from its back.
        Part('collar', RoundCone(points['neck'] + chest @ (0, 0.010, 0.030), points['neck'] + chest @ (0, 0.075, 0.070),
                                 0.034 * girth, 0.008), outfit.skin)]
    for side, _ in SIDES:
        parts.append(Part(f'{side}_flank', RoundCone(
            points[f'{side}_shoulder'] * 0.8 + points['neck'] * 0.2 + 0.02 * chest[:, 1],
            points[f'{side}_hip'] - 0.05 * pelvis[:, 1], 0.056 * girth, 0.056 * girth), top, frame=chest))
    return parts


def _head(shape: BodyShape, body: PosedBody, outfit: Outfit) -> List[Part]:
    skin = outfit.skin
    parts = [_on_head(shape, body, 'skull', skin, (0, -0.016, -0.002), (0, 0.034, 0.008), 0.060, 0.042),
             _on_head(shape, body, 'nose', skin, (0, -0.004, 0.057), (0, 0.012, 0.063), 0.008, 0.012, ('nose',))]
    for side, sign in SIDES:
        parts.append(_on_head(shape, body, f'{side}_ear', skin, (sign * 0.058, -0.006, -0.004),
                              (sign * 0.058, 0.010, -0.002), 0.014, 0.010, (f'{side}_ear',)))
    return parts


def _face(shape: BodyShape, body: PosedBody, outfit: Outfit) -> List[Part]:
    parts = [_on_head(shape, body, 'mouth', outfit.lips, (-0.015, 0.034, 0.042), (0.015, 0.034, 0.042), 0.008, 0.008)]
    for side, sign in SIDES:
        parts += [
            _on_head(shape, body, f'{side}_eye', WHITE, (sign * 0.023, -0.010, 0.045), (sign * 0.026, -0.010, 0.044),
                     0.013, 0.012, (f'{side}_eye',)),
            _on_head(shape, body, f'{side}_iris', outfit.iris, (sign * 0.023, -0.010, 0.053),
                     (sign * 0.023, -0.009, 0.053), 0.008, 0.008, (f'{side}_eye',)),
            _on_head(shape, body, f'{side}_brow', outfit.hair, (sign * 0.013, -0.030, 0.049),
                     (sign * 0.034, -0.029, 0.043), 0.0055, 0.005)]
    return parts


def _hair(shape: BodyShape, body: PosedBody, outfit: Outfit) -> List[Part]:
    style, hair = outfit.hair_style, outfit.hair
    if style == 'bald':
        return []
    if style == 'cap':
        return [_on_head(shape, body, 'cap', outfit.hat, (0, -0.030, -0.008), (0, -0.034, -0.010), 0.063, 0.060),
                _on_head(shape, body, 'brim', outfit.hat, (-0.018, -0.047, 0.058), (0.018, -0.047, 0.058), 0.032, 0.032,
                         squash_axis=body.frames['head'][:, 1], squash=0.3),
                _on_head(shape, body, 'hair', hair, (0, -0.010, -0.020), (0, 0.012, -0.022), 0.056, 0.048)]
    parts = [_on_head(shape, body, 'hair', hair, (0, -0.026, -0.013), (0, 0.000, -0.024), 0.065, 0.056)]
    if style == 'long':
        parts.append(_on_head(shape, body, 'hair_back', hair, (0, -0.010, -0.030), (0, 0.105, -0.040), 0.054, 0.046,
                              squash_axis=body.frames['head'][:, 2], squash=0.7))
    elif style == 'bun':
        parts.append(_on_head(shape, body, 'bun', hair, (0, -0.066, -0.050), (0, -0.070, -0.054), 0.030, 0.028))
    return parts


def _on_head(shape: BodyShape, body: PosedBody, name: str, cloth: Cloth, start: Tuple[float, float, float],
             end: Tuple[float, float, float], start_radius: float, end_radius: float, joints: Tuple[str, ...] = (),
             squash_axis: Optional[np.ndarray] = None, squash: float = 1.0) -> Part:
    """A part given in head axes (left, down, front) from the head's middle, for a head of scale 1."""
    middle, axes, scale = body.points['head'], body.frames['head'] * shape.head, shape.head
    return Part(name, RoundCone(middle + axes @ start, middle + axes @ end, start_radius * scale, end_radius * scale,
                                squash_axis, squash), cloth, joints)


def _arm(shape: BodyShape, body: PosedBody, outfit: Outfit, side: str) -> List[Part]:
    points, girth = body.points, shape.girth
    upper_hem, fore_hem = SLEEVE_HEMS[outfit.sleeve]
    shoulder, elbow, wrist, fingers = (points[f'{side}_{name}'] for name in ('shoulder', 'elbow', 'wrist', 'fingers'))
    loose = girth * (outfit.looseness if outfit.sleeve == 'long' else 1)
    upper, fore = body.frames[f'{side}_upper_arm'], body.frames[f'{side}_forearm']
    return [
        Part(f'{side}_upper_arm', RoundCone(shoulder, elbow, 0.043 * girth, 0.034 * loose), outfit.top,
             (f'{side}_shoulder', f'{side}_elbow'), upper, upper_hem, outfit.skin),
        Part(f'{side}_forearm', RoundCone(elbow, wrist, 0.034 * loose, 0.025 * loose), outfit.top,
             (f'{side}_elbow', f'{side}_wrist'), fore, fore_hem, outfit.skin),
        Part(f'{side}_hand', RoundCone(wrist, fingers, 0.024 * girth, 0.021 * girth, fore[:, 0], 0.8), outfit.skin,
             (f'{side}_wrist',)),
        Part(f'{side}_thumb', RoundCone(wrist + 0.01 * fore[:, 1], wrist + 0.035 * fore[:, 1] + 0.028 * fore[:, 2],
                                        0.013, 0.009), outfit.skin)]


def _leg(shape: BodyShape, body: PosedBody, outfit: Outfit, side: str) -> List[Part]:
    points, girth = body.points, shape.girth
    thigh_hem, shank_hem = LEG_HEMS[outfit.bottom_style]
    hip, knee, ankle, toes = (points[f'{side}_{name}'] for name in ('hip', 'knee', 'ankle', 'toes'))
    loose = girth * (outfit.looseness if outfit.bottom_style == 'trousers' else 1)
    foot = body.frames[f'{side}_foot']
    return [
        Part(f'{side}_thigh', RoundCone(hip, knee, 0.072 * girth, 0.050 * loose), outfit.bottom,
             (f'{side}_hip', f'{side}_knee'), body.frames[f'{side}_thigh'], thigh_hem, outfit.skin),
        Part(f'{side}_shank', RoundCone(knee, ankle, 0.050 * loose, 0.033 * loose), outfit.bottom,
             (f'{side}_knee', f'{side}_ankle'), body.frames[f'{side}_shank'], shank_hem, outfit.skin),
        Part(f'{side}_foot', RoundCone(ankle + foot @ (0, 0.022, -0.014), toes, 0.031, 0.021), outfit.shoes,
             (f'{side}_ankle',))]


def _skirt(shape: BodyShape, body: PosedBody, outfit: Outfit) -> List[Part]:
    """A cone from the waist towards the middle of the knees, and one along either thigh."""
    points, pelvis, girth = body.points, body.frames['pelvis'], shape.girth
    middle = 0.5 * (points['left_knee'] + points['right_knee'])
    cones: List[Tuple[str, np.ndarray, np.ndarray, float, float, Tuple[str, ...]]] = [
        ('skirt', -0.02 * pelvis[:, 1], 0.72 * middle, 0.084, 0.125, ())]
    for side, _ in SIDES:
        hip, knee = points[f'{side}_hip'], points[f'{side}_knee']
        cones.append((f'{side}_skirt', hip, 0.3 * hip + 0.7 * knee, 0.080, 0.088, (f'{side}_hip',)))
    parts = []
    for name, start, end, start_radius, end_radius, joints in cones:
        # A rim that faces the viewer, as on a seated person, would let the inside be seen, which is not modelled.
        sideways = float(end[2] - start[2]) < 0.35 * float(np.linalg.norm(end - start))
        parts.append(Part(name, RoundCone(start, end, start_radius * girth, end_radius * girth, open_end=sideways),
                          outfit.bottom, joints, pelvis))
    return parts
