"""A video of drawn people who walk to and fro, cross and hide one another, with what is true in every frame."""
from typing import Iterator, NamedTuple, Tuple

import cv2
import numpy as np

from rsn_mm.synthetic.backgrounds import sample_background
from rsn_mm.synthetic.body import build_parts
from rsn_mm.synthetic.figures import Figure, extent, stand
from rsn_mm.synthetic.outfit import Outfit, sample_outfit
from rsn_mm.synthetic.photo import add_shadow, finish_photo
from rsn_mm.synthetic.render import draw_parts
from rsn_mm.synthetic.scene import SUPERSAMPLING, Person, describe, keypoint_flags, paint, sample_light, stack
from rsn_mm.synthetic.skeleton import BodyShape, Pose, pose_body, sample_shape

# Statures in picture heights of the farthest and the nearest person, and where their feet stand.
STATURES = (0.42, 0.58)
GROUND = (0.66, 0.96)
# In statures: the fastest speed, per second, and the length of two steps.
SPEED = (0.5, 0.9)
STRIDE = 0.75
PITCH = 6.0
# Of a person who turns round: the yaw while walking across the picture.
PROFILE = 75.0


class Walker(NamedTuple):
    """Somebody who walks along a line across the picture and turns at its ends. Lengths in px of the picture.

    ``turns`` is in radians a second, ``phase`` in radians: the place is ``middle + reach * sin(phase + turns * time)``.
    """
    shape: BodyShape
    outfit: Outfit
    stature: float
    ground: float
    middle: float
    reach: float
    turns: float
    phase: float


class VideoFrame(NamedTuple):
    """A frame of a drawn video.

    Attributes:
        image (np.ndarray): (h, w, 3) uint8, BGR.
        people (tuple): those of whom something is seen, farthest first; ``number`` stays theirs through all frames.
        in_sight (tuple): the share, 0 to 1, of each of them that nothing hides.
        time (float): seconds since the first frame.
    """
    image: np.ndarray
    people: Tuple[Person, ...]
    in_sight: Tuple[float, ...]
    time: float


def draw_walk(num_people: int = 10, num_frames: int = 300, seed: int = 0, size_wh: Tuple[int, int] = (640, 360),
              rate: float = 25.) -> Iterator[VideoFrame]:
    """Draw people who walk to and fro at different distances, so that they cross and hide one another.

    The same arguments give the same frames, and fewer frames are the first of more.

    Args:
        num_people (int): How many, 1 to 100.
        num_frames (int): Length.
        seed (int): Seed of everything random.
        size_wh (tuple): Width and height in px.
        rate (float): Frames a second.

    Yields:
        VideoFrame: one after the other; drawing takes some 20 ms a person at 640x360.
    """
    if not 1 <= num_people <= 100:
        raise ValueError(f'num_people={num_people} is out of range. Give 1 to 100.')
    rng = np.random.default_rng((seed, num_people))
    width, height = size_wh
    walkers = [sample_walker(rng, width, height, number / max(num_people - 1, 1)) for number in range(num_people)]
    light, background = sample_light(rng), sample_background(rng, width, height)
    camera = int(rng.integers(2**31))
    raster_wh = width * SUPERSAMPLING, height * SUPERSAMPLING
    for index in range(num_frames):
        figures = [figure_at(walker, index / rate) for walker in walkers]
        drawn = [(figure, draw_parts(figure.parts, figure.stature, raster_wh, light)) for figure in figures]
        ids, depth = stack(drawn, raster_wh)
        ground = background.copy()
        for figure in figures:
            add_shadow(ground, figure.box / SUPERSAMPLING, figure.stature / SUPERSAMPLING)
        raster = paint(ground, [layer for _, layer in drawn])
        # The light and the blur of one camera, with new noise in each frame.
        image = finish_photo(np.random.default_rng(camera), cv2.resize(raster, size_wh, interpolation=cv2.INTER_AREA))
        people, in_sight = [], []
        for number, (figure, layer) in enumerate(drawn, 1):
            seen = np.count_nonzero(ids == number)
            if seen and keypoint_flags(figure.joints, figure.reach, number, ids, depth).any():
                people.append(describe(figure, number, ids, depth))
                in_sight.append(float(seen / np.count_nonzero(layer.part >= 0)))
        yield VideoFrame(image, tuple(people), tuple(in_sight), index / rate)


def sample_walker(rng: np.random.Generator, width: int, height: int, nearness: float) -> Walker:
    """Somebody at a distance between the farthest, 0, and the nearest, 1."""
    shape = sample_shape(rng)
    stature = height * (STATURES[0] + nearness * (STATURES[1] - STATURES[0])) * rng.uniform(0.95, 1.05)
    ground = height * (GROUND[0] + nearness * (GROUND[1] - GROUND[0]))
    reach = width * rng.uniform(0.2, 0.38)
    middle = rng.uniform(reach + 0.3 * stature, max(width - reach - 0.3 * stature, reach + 0.3 * stature))
    turns = rng.uniform(*SPEED) * stature / reach
    return Walker(shape, sample_outfit(rng), float(stature), float(ground), float(middle), float(reach), float(turns),
                  float(rng.uniform(0, 2 * np.pi)))


def figure_at(walker: Walker, time: float) -> Figure:
    """Where and how somebody walks at a time, in s, in pixels of the supersampled raster."""
    place = walker.phase + walker.turns * time
    pose = walking_pose(2 * np.pi * walker.reach * _way(place) / (STRIDE * walker.stature), float(np.cos(place)))
    body = pose_body(walker.shape, pose)
    parts = build_parts(walker.shape, body, walker.outfit)
    stature = walker.stature * SUPERSAMPLING
    feet = extent(parts)[1][1] * stature
    offset = np.array(((walker.middle + walker.reach * np.sin(place)) * SUPERSAMPLING, walker.ground * SUPERSAMPLING - feet))
    return stand(parts, body, pose, stature, offset)


def walking_pose(gait: float, speed: float) -> Pose:
    """Somebody in mid-step.

    Args:
        gait (float): Where in the double step, in radians.
        speed (float): -1 to 1, of the fastest to the right; steps get smaller towards 0, where the viewer is faced.
    """
    size = float(np.sqrt(0.05 + 0.95 * speed**2))
    angles = {'spine_lean': 4 * size, 'spine_bend': 0., 'spine_twist': 6 * size * float(np.sin(gait)), 'head_yaw': 0.,
              'head_nod': 2., 'head_tilt': 0.}
    for side, phase in (('left', gait), ('right', gait + np.pi)):
        swing, lift = float(np.sin(phase)), float((1 + np.cos(phase)) / 2)
        angles.update({
            f'{side}_hip_flex': 7 + 22 * size * swing, f'{side}_hip_abduct': 4., f'{side}_hip_rotate': -4.,
            f'{side}_knee': 8 + 42 * size * lift**2, f'{side}_ankle': 5 * size * swing,
            f'{side}_arm_flex': 4 - 24 * size * swing, f'{side}_arm_abduct': 12., f'{side}_arm_rotate': 10.,
            f'{side}_elbow': 24 - 10 * size * swing})
    return Pose(angles, yaw=PROFILE * float(np.tanh(3 * speed) / np.tanh(3)), pitch=PITCH, roll=0., legs='walking')


def _way(place: float) -> float:
    """How far sin(place) has gone, to and fro, since place 0: the integral of abs(cos)."""
    turns = np.floor(place / np.pi + 0.5)
    return float(2 * turns + np.sin(place - np.pi * turns))
