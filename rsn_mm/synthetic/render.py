"""Drawing of solid body parts: a depth buffer of round cones, shaded by a distant light.

A round cone is the solid swept by a sphere that moves along a segment while its radius changes linearly. It may be
squashed along one direction (a torso is wider than deep). The view is orthographic: x right, y down, z towards the
viewer, so the largest z wins. All lengths in this module are raster pixels; pixel (row, column) covers
[column, column + 1] x [row, row + 1] and is sampled at its middle.
"""
from typing import NamedTuple, Optional, Sequence, Tuple

import numpy as np


class RoundCone(NamedTuple):
    """A segment from ``start`` to ``end``, both (3,), with a radius at either end.

    ``squash`` < 1 shortens the solid along the unit vector ``squash_axis`` (3,), about the segment. ``open_end``
    leaves out the ball at the end: the rim of a skirt.
    """

    start: np.ndarray
    end: np.ndarray
    start_radius: float
    end_radius: float
    squash_axis: Optional[np.ndarray] = None
    squash: float = 1.0
    open_end: bool = False

    def scaled(self, factor: float, offset_xy: np.ndarray) -> 'RoundCone':
        """The cone scaled about the origin, then moved by ``offset_xy`` (2,) in the picture plane."""
        offset = np.array((offset_xy[0], offset_xy[1], 0.0))
        return self._replace(start=self.start * factor + offset, end=self.end * factor + offset,
                             start_radius=self.start_radius * factor, end_radius=self.end_radius * factor)


class Cloth(NamedTuple):
    """How a surface is coloured: RGB in 0..1, a pattern with its second colour and its period in statures."""

    colour: Tuple[float, float, float]
    pattern: str = 'plain'
    second: Tuple[float, float, float] = (0.0, 0.0, 0.0)
    period: float = 0.05


class Part(NamedTuple):
    """One solid of a person.

    Attributes:
        name (str): what it is, as ``left_thigh``.
        cone (RoundCone): where it is; lengths in statures until :func:`place` turns them into pixels.
        cloth (Cloth): its colours.
        joints (tuple): names of the keypoints that lie inside this part.
        frame (np.ndarray): (3, 3), columns: the axes along which the pattern runs (across, along, depth).
        hem (float): share of the segment, from the start, that ``cloth`` covers; the rest is ``bare``.
        bare (Cloth): what shows beyond the hem.
    """

    name: str
    cone: RoundCone
    cloth: Cloth
    joints: Tuple[str, ...] = ()
    frame: np.ndarray = np.eye(3)
    hem: float = 2.0
    bare: Cloth = Cloth((0.8, 0.6, 0.5))


class Layer(NamedTuple):
    """What one person covers: a window of the raster that starts at ``origin`` (column, row).

    Attributes:
        origin (tuple): column and row of the window's first pixel.
        depth (np.ndarray): (h, w) float32, z of the front surface, -inf where nothing is.
        part (np.ndarray): (h, w) int16, index of the part seen, -1 where nothing is.
        colour (np.ndarray): (h, w, 3) float32, RGB in 0..1, undefined where nothing is.
    """

    origin: Tuple[int, int]
    depth: np.ndarray
    part: np.ndarray
    colour: np.ndarray


def place(parts: Sequence[Part], stature: float, offset_xy: np.ndarray) -> Tuple[Part, ...]:
    """Parts in pixels: ``stature`` in pixels, the body's origin at ``offset_xy`` (2,)."""
    return tuple(part._replace(cone=part.cone.scaled(stature, offset_xy)) for part in parts)


def draw_parts(parts: Sequence[Part], stature: float, raster_wh: Tuple[int, int], light: np.ndarray) -> Layer:
    """Draw the parts of one person, nearest surface in front.

    Args:
        parts (Sequence[Part]): placed parts, in pixels.
        stature (float): pixels per stature, the unit of the patterns' periods.
        raster_wh (tuple): raster size (width, height); what lies outside is cut off.
        light (np.ndarray): (3,) unit vector towards the light.

    Returns:
        Layer: empty (a 0 x 0 window) if nothing lies inside the raster.
    """
    boxes = [_pixel_box(part.cone, raster_wh) for part in parts]
    inside = [box for box in boxes if box[0] < box[2] and box[1] < box[3]]
    if not inside:
        return Layer((0, 0), np.zeros((0, 0), np.float32), np.zeros((0, 0), np.int16), np.zeros((0, 0, 3), np.float32))
    left, top = min(box[0] for box in inside), min(box[1] for box in inside)
    shape = max(box[3] for box in inside) - top, max(box[2] for box in inside) - left
    depth, index = np.full(shape, -np.inf, np.float32), np.full(shape, -1, np.int16)
    along = np.zeros(shape, np.float32)
    colour = np.zeros((*shape, 3), np.float32)
    windows = []
    for number, (part, (x0, y0, x1, y1)) in enumerate(zip(parts, boxes)):
        window = np.s_[max(y0 - top, 0):max(y1 - top, 0), max(x0 - left, 0):max(x1 - left, 0)]
        windows.append(window)
        if x0 >= x1 or y0 >= y1:
            continue
        z, share = cone_depth(part.cone, np.arange(x0, x1) + 0.5, np.arange(y0, y1) + 0.5)
        nearer = z > depth[window]
        np.copyto(depth[window], z, where=nearer)
        np.copyto(along[window], share, where=nearer)
        index[window][nearer] = number
    for number, (part, window) in enumerate(zip(parts, windows)):
        rows, columns = np.nonzero(index[window] == number)
        if rows.size:
            rows, columns = rows + window[0].start, columns + window[1].start
            points = np.stack((columns + (left + 0.5), rows + (top + 0.5), depth[rows, columns]), axis=1)
            colour[rows, columns] = _shade(part, points, along[rows, columns], stature, light)
    return Layer((left, top), depth, index, colour)


def cone_depth(cone: RoundCone, x: np.ndarray, y: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Front surface of a round cone.

    On the line of sight through q, the sphere at share t of the segment reaches the depth t * dz + sqrt(Q(t)) with
    Q(t) = (r + t dr)^2 - |q - t e|^2 = a t^2 + 2 b t + c. While a < 0 this is concave in t, so its maximum over
    0 <= t <= 1 is the stationary point, clipped. With a >= 0 one end's disc covers the other's, and an end is taken.

    Args:
        cone (RoundCone): the solid.
        x (np.ndarray): (w,) x of the columns.
        y (np.ndarray): (h,) y of the rows.

    Returns:
        tuple: z (h, w) float32, -inf beside the solid; and the share t of the segment (h, w) float32.
    """
    to_round = _to_round(cone)
    qx, qy, qz = _sight(cone, to_round, x[None, :].astype(np.float32), y[:, None].astype(np.float32))
    ex, ey, dz = (to_round @ (cone.end - cone.start)).tolist()
    r, dr = float(cone.start_radius), float(cone.end_radius - cone.start_radius)
    a = dr * dr - ex * ex - ey * ey
    b = qx * ex + qy * ey + r * dr
    c = r * r - (qx * qx + qy * qy)
    if a < -1e-3:
        root = np.sqrt(np.maximum(b * b - a * c, 0) * (dz * dz - a))
        t = np.clip(b * (-1 / a) + root * (dz / (a * (a - dz * dz))), 0, 1)
        q = (a * t + 2 * b) * t + c
        z = np.where(q >= 0, t * dz + np.sqrt(np.maximum(q, 0)), -np.inf)
    else:
        first = np.where(c >= 0, np.sqrt(np.maximum(c, 0)), -np.inf)
        c = a + 2 * b + c
        last = np.where(c >= 0, dz + np.sqrt(np.maximum(c, 0)), -np.inf)
        z, t = np.maximum(first, last), (last > first).astype(np.float32)
    if cone.open_end:
        z = np.where(t < 1, z, -np.inf)
    z = (z - qz) / float(np.linalg.norm(to_round[:, 2])) + float(cone.start[2])
    return z.astype(np.float32), np.broadcast_to(t, z.shape)


def _to_round(cone: RoundCone) -> np.ndarray:
    """Matrix (3, 3) that undoes the squash and turns the line of sight back onto z."""
    if cone.squash_axis is None:
        return np.eye(3)
    stretch = np.eye(3) + (1 / cone.squash - 1) * np.outer(cone.squash_axis, cone.squash_axis)
    sight = stretch[:, 2] / np.linalg.norm(stretch[:, 2])
    helper = np.eye(3)[int(np.argmin(np.abs(sight)))]
    first = np.cross(sight, helper)
    first /= np.linalg.norm(first)
    return np.stack((first, np.cross(sight, first), sight)) @ stretch


def _sight(cone: RoundCone, to_round: np.ndarray, x: np.ndarray,
           y: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lines of sight through (x, y), relative to the cone's start, in the unsquashed space: x, y, and z's offset."""
    x, y = x - np.float32(cone.start[0]), y - np.float32(cone.start[1])
    if cone.squash_axis is None:
        return x, y, np.zeros(1, np.float32)
    m = to_round.astype(np.float32)
    return m[0, 0] * x + m[0, 1] * y, m[1, 0] * x + m[1, 1] * y, m[2, 0] * x + m[2, 1] * y


def _pixel_box(cone: RoundCone, raster_wh: Tuple[int, int]) -> Tuple[int, int, int, int]:
    """Columns x0..x1 and rows y0..y1 (end excluded) that the solid can touch, clipped to the raster."""
    radii = np.array((cone.start_radius, cone.end_radius))[:, None]
    ends = np.stack((cone.start[:2], cone.end[:2]))
    low = np.floor((ends - radii).min(axis=0)).astype(int)
    high = np.ceil((ends + radii).max(axis=0)).astype(int)
    x0, y0 = np.maximum(low, 0).tolist()
    x1, y1 = np.minimum(high, raster_wh).tolist()
    return x0, y0, x1, y1


def _shade(part: Part, points: np.ndarray, along: np.ndarray, stature: float, light: np.ndarray) -> np.ndarray:
    """Colours (n, 3) of the surface points (n, 3): pattern, light and a darker rim that sets parts apart."""
    cone, to_round = part.cone, _to_round(part.cone)
    centre = cone.start + along[:, None] * (cone.end - cone.start)
    normal = (points - centre) @ (to_round.T @ to_round).astype(np.float32)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    place_on_cloth = (points - cone.start) @ part.frame / stature
    albedo = _pattern(part.cloth, place_on_cloth)
    if part.hem < 1:
        albedo = np.where(along[:, None] > part.hem, np.array(part.bare.colour), albedo)
    brightness = (0.62 + 0.46 * np.maximum(normal @ light, 0)) * (0.56 + 0.44 * np.clip(normal[:, 2], 0, 1))
    return albedo * brightness[:, None]


def _pattern(cloth: Cloth, place: np.ndarray) -> np.ndarray:
    """Colours (n, 3) or (1, 3) of a cloth at the places (n, 3) in statures, axes across, along, depth."""
    colour, second = np.array([cloth.colour]), np.array([cloth.second])
    if cloth.pattern == 'plain':
        return colour
    across, along = (np.floor(place[:, axis] / cloth.period).astype(int) % 2 == 0 for axis in (0, 1))
    if cloth.pattern == 'rings':
        chosen = along
    elif cloth.pattern == 'stripes':
        chosen = across
    elif cloth.pattern == 'checks':
        chosen = across ^ along
    else:
        offset = np.remainder(place[:, :2] / cloth.period, 1) - 0.5
        chosen = (offset ** 2).sum(axis=1) < 0.08
    return np.where(chosen[:, None], second, colour)
