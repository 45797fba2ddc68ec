"""The articulated body: proportions, joint limits, pose sampling and forward kinematics.

Axes, for the body and for the camera alike: x to the person's left (in a front view: to the right of the picture),
y down, z to the person's front (in a front view: towards the viewer). Lengths are fractions of the person's stature,
angles are degrees. The origin is the middle of the hips.
"""
from typing import Dict, Mapping, NamedTuple, Tuple

import numpy as np

KEYPOINT_NAMES = ('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear', 'left_shoulder', 'right_shoulder',
                  'left_elbow', 'right_elbow', 'left_wrist', 'right_wrist', 'left_hip', 'right_hip', 'left_knee',
                  'right_knee', 'left_ankle', 'right_ankle')
# Pairs of 1-based positions in KEYPOINT_NAMES, the form in which COCO's category holds them.
SKELETON = ((16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9), (8, 10),
            (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7))
SIDES = (('left', 1.0), ('right', -1.0))

# Positive angles: lean and nod go forward, twist and yaw to the person's left, bend and tilt to the right, flex
# forward, abduct away from the body, rotate inward, ankle lifts the toes.
JOINT_LIMITS: Dict[str, Tuple[float, float]] = {
    'spine_lean': (-15, 45), 'spine_bend': (-18, 18), 'spine_twist': (-25, 25),
    'head_yaw': (-40, 40), 'head_nod': (-15, 25), 'head_tilt': (-18, 18),
    'arm_flex': (-50, 165), 'arm_abduct': (4, 165), 'arm_rotate': (-95, 90), 'elbow': (2, 140),
    'hip_flex': (-25, 115), 'hip_abduct': (-3, 45), 'hip_rotate': (-30, 15), 'knee': (0, 138), 'ankle': (-40, 20)}

# name: (weight, (arm_flex, arm_abduct, arm_rotate, elbow), spread of these four)
ARM_POSES = {
    'hanging': (0.34, (3, 12, 10, 14), (8, 5, 15, 9)),
    'swinging': (0.16, (28, 12, 15, 35), (22, 4, 12, 18)),
    'on hip': (0.10, (-12, 42, 62, 88), (6, 6, 8, 8)),
    'sideways': (0.12, (5, 82, -10, 18), (8, 14, 20, 14)),
    'waving': (0.10, (5, 85, -82, 82), (6, 14, 8, 26)),
    'raised': (0.12, (8, 146, -30, 22), (6, 12, 20, 16)),
    'forward': (0.06, (70, 14, 20, 30), (18, 8, 15, 24))}

# name: (weight, spine_lean, (hip_flex, hip_abduct, hip_rotate, knee, ankle) of one leg, of the other leg, spread)
LEG_POSES = {
    'standing': (0.40, 1, (1, 5, -8, 3, 0), (1, 5, -8, 3, 0), (3, 3, 6, 3, 3)),
    'legs apart': (0.14, 2, (3, 19, -12, 6, 0), (3, 19, -12, 6, 0), (4, 5, 6, 5, 3)),
    'walking': (0.20, 5, (28, 4, -4, 14, 2), (-12, 4, -4, 22, -6), (8, 2, 4, 8, 4)),
    'leg raised': (0.06, 3, (62, 10, -8, 72, -12), (0, 5, -6, 4, 0), (14, 6, 6, 18, 5)),
    'sitting': (0.09, 6, (84, 11, -8, 86, 2), (84, 11, -8, 86, 2), (7, 6, 5, 10, 4)),
    'kneeling': (0.05, 3, (82, 8, -4, 84, 0), (-4, 5, -4, 92, -34), (6, 4, 4, 7, 3)),
    'squatting': (0.06, 24, (88, 24, -18, 108, 14), (88, 24, -18, 108, 14), (8, 6, 5, 8, 3))}
LEG_ANGLES = ('hip_flex', 'hip_abduct', 'hip_rotate', 'knee', 'ankle')
ARM_ANGLES = ('arm_flex', 'arm_abduct', 'arm_rotate', 'elbow')

# name: (weight, yaw, spread of the yaw); 'turned' and 'profile' are mirrored at random
VIEWS: Dict[str, Tuple[float, float, float]] = {
    'front': (0.48, 0, 11), 'turned': (0.25, 40, 10), 'profile': (0.07, 80, 8), 'back': (0.20, 180, 18)}
LYING_SHARE = 0.04


class BodyShape(NamedTuple):
    """Bone lengths (fractions of the stature) and ``girth``, a factor on every thickness."""

    torso: float = 0.288
    neck: float = 0.075
    head: float = 1.18
    shoulder_half: float = 0.103
    hip_half: float = 0.052
    upper_arm: float = 0.172
    forearm: float = 0.145
    hand: float = 0.062
    thigh: float = 0.245
    shank: float = 0.246
    foot: float = 0.105
    girth: float = 1.0


class Pose(NamedTuple):
    """Joint angles by name (paired joints as ``left_...``, ``right_...``) and the view of the whole body."""

    angles: Mapping[str, float]
    yaw: float
    pitch: float
    roll: float
    legs: str


class PosedBody(NamedTuple):
    """Points (3,) by name and frames (3, 3) by segment; the columns of a frame are its left, down and front."""

    points: Dict[str, np.ndarray]
    frames: Dict[str, np.ndarray]


def rotation(axis: int, degrees: float) -> np.ndarray:
    """Rotation matrix (3, 3) about axis 0, 1 or 2, turning the axis that follows it towards the one after that."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    second, third = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[second, second] = matrix[third, third] = cosine
    matrix[third, second], matrix[second, third] = sine, -sine
    return matrix


def choose(rng: np.random.Generator, table: Mapping[str, tuple]) -> str:
    """A name from a table whose rows begin with their weight."""
    weights = np.array([row[0] for row in table.values()], dtype=float)
    return list(table)[int(rng.choice(len(weights), p=weights / weights.sum()))]


def sample_shape(rng: np.random.Generator) -> BodyShape:
    """A body whose bones differ by a few per cent, and its girth by up to a fifth, from the mean body."""
    mean = BodyShape()
    factors = np.clip(rng.normal(1.0, 0.04, len(mean)), 0.9, 1.1)
    shape = BodyShape(*(float(length * factor) for length, factor in zip(mean, factors)))
    return shape._replace(girth=float(rng.uniform(0.85, 1.2)), head=float(shape.head * rng.uniform(0.95, 1.15)))


def sample_pose(rng: np.random.Generator) -> Pose:
    """A pose within :data:`JOINT_LIMITS`: arms and legs are chosen independently from the tables above."""
    legs = choose(rng, LEG_POSES)
    _, lean, one_leg, other_leg, leg_spread = LEG_POSES[legs]
    if rng.random() < 0.5:
        one_leg, other_leg = other_leg, one_leg
    means: Dict[str, float] = {'spine_lean': lean}
    spreads = {'spine_lean': 4.0, 'spine_bend': 4.0, 'spine_twist': 7.0, 'head_yaw': 14.0, 'head_nod': 6.0,
               'head_tilt': 5.0}
    left_arm = choose(rng, ARM_POSES)
    right_arm = left_arm if rng.random() < 0.4 else choose(rng, ARM_POSES)
    for side, leg, arm in (('left', one_leg, left_arm), ('right', other_leg, right_arm)):
        means.update({f'{side}_{name}': value for name, value in zip(LEG_ANGLES, leg)})
        spreads.update({f'{side}_{name}': value for name, value in zip(LEG_ANGLES, leg_spread)})
        means.update({f'{side}_{name}': value for name, value in zip(ARM_ANGLES, ARM_POSES[arm][1])})
        spreads.update({f'{side}_{name}': value for name, value in zip(ARM_ANGLES, ARM_POSES[arm][2])})
    angles = {}
    for name, spread in spreads.items():
        low, high = JOINT_LIMITS[name.replace('left_', '').replace('right_', '')]
        angles[name] = float(np.clip(rng.normal(means.get(name, 0.0), spread), low, high))
    _, yaw, yaw_spread = VIEWS[choose(rng, VIEWS)]
    yaw = float(rng.choice((-1, 1)) * yaw + rng.normal(0, yaw_spread))
    roll = float(rng.normal(0, 4))
    if legs in ('standing', 'walking') and rng.random() < LYING_SHARE / 0.6:
        roll = float(rng.choice((-1, 1)) * rng.uniform(75, 100))
    return Pose(angles, yaw, pitch=float(rng.uniform(2, 14)), roll=roll, legs=legs)


def pose_body(shape: BodyShape, pose: Pose) -> PosedBody:
    """Forward kinematics.

    Args:
        shape (BodyShape): bone lengths.
        pose (Pose): joint angles and view.

    Returns:
        PosedBody: in camera axes; points hold the 17 keypoints, and ``pelvis``, ``neck``, ``head`` (the head's
        middle), and per side ``toes`` and ``fingers``; frames hold ``pelvis``, ``chest``, ``head`` and per side
        ``upper_arm``, ``forearm``, ``thigh``, ``shank``, ``foot``.
    """
    angle = pose.angles
    # The camera looks down by `pitch`: what is nearer to the viewer stands lower in the picture.
    pelvis = rotation(0, -pose.pitch) @ rotation(2, pose.roll) @ rotation(1, pose.yaw)
    chest = (pelvis @ rotation(1, angle['spine_twist']) @ rotation(2, angle['spine_bend'])
             @ rotation(0, -angle['spine_lean']))
    head = (chest @ rotation(1, angle['head_yaw']) @ rotation(2, angle['head_tilt'])
            @ rotation(0, -angle['head_nod']))
    points = {'pelvis': np.zeros(3), 'neck': -shape.torso * chest[:, 1]}
    points['head'] = points['neck'] - chest @ (0, shape.neck * 0.45, 0) - head @ (0, 0.055 * shape.head, 0)
    frames = {'pelvis': pelvis, 'chest': chest, 'head': head}
    for name, place in FACE.items():
        points[name] = points['head'] + head @ (np.array(place) * shape.head)
    for side, sign in SIDES:
        _pose_arm(shape, angle, side, sign, points, frames)
        _pose_leg(shape, angle, side, sign, points, frames)
    return PosedBody(points, frames)


# Places on the head's surface, from the head's middle, for a head of scale 1.
FACE = {'nose': (0.0, 0.012, 0.060), 'left_eye': (0.023, -0.010, 0.051), 'right_eye': (-0.023, -0.010, 0.051),
        'left_ear': (0.060, 0.002, -0.004), 'right_ear': (-0.060, 0.002, -0.004)}


def _pose_arm(shape: BodyShape, angle: Mapping[str, float], side: str, sign: float, points: Dict[str, np.ndarray],
              frames: Dict[str, np.ndarray]) -> None:
    """Add one arm's points and frames. ``sign``: 1 left, -1 right."""
    upper = (frames['chest'] @ rotation(2, -sign * angle[f'{side}_arm_abduct'])
             @ rotation(0, angle[f'{side}_arm_flex']) @ rotation(1, -sign * angle[f'{side}_arm_rotate']))
    fore = upper @ rotation(0, angle[f'{side}_elbow'])
    shoulder = points['neck'] + frames['chest'] @ (sign * shape.shoulder_half, 0.028, 0)
    points[f'{side}_shoulder'] = shoulder
    points[f'{side}_elbow'] = shoulder + shape.upper_arm * upper[:, 1]
    points[f'{side}_wrist'] = points[f'{side}_elbow'] + shape.forearm * fore[:, 1]
    points[f'{side}_fingers'] = points[f'{side}_wrist'] + shape.hand * fore[:, 1]
    frames[f'{side}_upper_arm'], frames[f'{side}_forearm'] = upper, fore


def _pose_leg(shape: BodyShape, angle: Mapping[str, float], side: str, sign: float, points: Dict[str, np.ndarray],
              frames: Dict[str, np.ndarray]) -> None:
    """Add one leg's points and frames. ``sign``: 1 left, -1 right."""
    thigh = (frames['pelvis'] @ rotation(2, -sign * angle[f'{side}_hip_abduct'])
             @ rotation(0, angle[f'{side}_hip_flex']) @ rotation(1, -sign * angle[f'{side}_hip_rotate']))
    shank = thigh @ rotation(0, -angle[f'{side}_knee'])
    foot = shank @ rotation(0, angle[f'{side}_ankle'])
    hip = frames['pelvis'] @ (sign * shape.hip_half, 0, 0)
    points[f'{side}_hip'] = hip
    points[f'{side}_knee'] = hip + shape.thigh * thigh[:, 1]
    points[f'{side}_ankle'] = points[f'{side}_knee'] + shape.shank * shank[:, 1]
    points[f'{side}_toes'] = points[f'{side}_ankle'] + foot @ (0, 0.034, shape.foot)
    frames[f'{side}_thigh'], frames[f'{side}_shank'], frames[f'{side}_foot'] = thigh, shank, foot
