"""Backgrounds: (h, w, 3) float32 pictures, RGB in 0..1, made from a random generator.

Every function takes the generator, the width and the height. They only need to be varied, not beautiful: a network
must not be able to find a person by the absence of texture.
"""
import colorsys

import cv2
import numpy as np


def sample_background(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """One of :data:`BACKGROUNDS`, in half of the cases with a few distracting shapes."""
    picture = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))](rng, width, height)
    if rng.random() < 0.5:
        add_clutter(rng, picture, int(rng.integers(2, 7)))
    return np.clip(picture, 0, 1)


def gradient(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Two colours that blend in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    share = 0.5 + 0.35 * (np.float32(np.cos(angle)) * x[None, :] + np.float32(np.sin(angle)) * y[:, None])
    return _blend(colour(rng), colour(rng), share)


def room(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A wall and a floor with a skirting board, a window and a framed picture."""
    horizon = int(height * rng.uniform(0.55, 0.85))
    wall, floor = colour(rng, 0.1, 0.5, 0.5, 0.95), colour(rng, 0.2, 0.6, 0.25, 0.7)
    picture = _blend(wall, wall * 0.85, np.linspace(0, 1, width, dtype=np.float32)[None, :].repeat(height, 0))
    picture[horizon:] = floor
    vanishing = float(rng.uniform(0, width)), height * 0.2
    for end in np.arange(-width, 2 * width, max(12, width // 9)):
        start = vanishing[0] + (end - vanishing[0]) * (horizon - vanishing[1]) / (height - vanishing[1])
        cv2.line(picture, (int(start), horizon), (int(end), height), (floor * 0.8).tolist(), 1, cv2.LINE_AA)
    cv2.rectangle(picture, (0, horizon - height // 40), (width, horizon), (wall * 0.6).tolist(), -1)
    for filling in (colour(rng, 0.1, 0.5, 0.8, 1.0), colour(rng)):
        x, y = int(rng.uniform(0, 0.8) * width), int(rng.uniform(0.02, 0.3) * height)
        far = x + int(rng.uniform(0.12, 0.3) * width), y + int(rng.uniform(0.12, 0.3) * height)
        cv2.rectangle(picture, (x, y), far, filling.tolist(), -1)
        cv2.rectangle(picture, (x, y), far, (wall * 0.45).tolist(), max(1, width // 110))
    return picture


def bricks(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A brick wall with uneven bricks."""
    brick_h = int(rng.integers(8, 20))
    brick_w, joint = int(brick_h * rng.uniform(1.6, 2.6)), max(1, brick_h // 8)
    base = colour(rng, 0.3, 0.7, 0.3, 0.8)
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = rng.uniform(0.55, 0.85)
    for row, y in enumerate(range(0, height, brick_h)):
        for x in range(-(row % 2) * brick_w // 2, width, brick_w):
            picture[y:y + brick_h - joint, max(x, 0):max(x + brick_w - joint, 0)] = base * rng.uniform(0.8, 1.15)
    return picture


def field(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Sky, grass and a few round trees."""
    horizon = int(height * rng.uniform(0.35, 0.7))
    picture = np.empty((height, width, 3), np.float32)
    sky = np.array((0.45, 0.65, 0.95)) * rng.uniform(0.8, 1.05)
    picture[:horizon] = _blend(sky, np.array((0.9, 0.92, 0.95)), np.linspace(0, 1, horizon, dtype=np.float32)[:, None])
    grass = np.array((0.30, 0.52, 0.20)) * rng.uniform(0.7, 1.2) + rng.uniform(0, 0.12) * np.array((1, 0.5, 0))
    picture[horizon:] = grass * (0.85 + 0.3 * smooth_noise(rng, width, height - horizon, 3))[..., None]
    for _ in range(int(rng.integers(0, 6))):
        x, size = int(rng.uniform(0, width)), int(height * rng.uniform(0.05, 0.16))
        leaves = np.array((0.14, 0.36, 0.14)) * rng.uniform(0.8, 1.5)
        cv2.line(picture, (x, horizon + size // 2), (x, horizon - 2 * size), (0.32, 0.22, 0.15), max(2, size // 4))
        cv2.circle(picture, (x, horizon - 2 * size), size, leaves.tolist(), -1, cv2.LINE_AA)
    return picture


def stripes(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Soft stripes in a random direction."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(14, 50)
    x, y = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
    wave = np.sin((np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y) * np.float32(2 * np.pi / period))
    return _blend(colour(rng), colour(rng), np.clip(0.5 + 1.5 * wave, 0, 1))


def blobs(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Overlapping round patches, out of focus."""
    picture = gradient(rng, width, height)
    for _ in range(int(rng.integers(15, 40))):
        centre = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        axes = int(rng.uniform(6, 45)), int(rng.uniform(6, 45))
        cv2.ellipse(picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour(rng).tolist(), -1)
    return cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(1.0, 4.0)))


def noise(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Cloudy noise between two colours: plaster, foliage, water."""
    share = np.clip(smooth_noise(rng, width, height, 5) * 1.8 - 0.4, 0, 1)
    return _blend(colour(rng), colour(rng), share)


def street(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """House fronts with windows above a pavement."""
    ground = int(height * rng.uniform(0.6, 0.85))
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = colour(rng, 0.1, 0.4, 0.7, 1.0)
    picture[ground:] = rng.uniform(0.3, 0.6)
    x = -int(rng.uniform(0, width // 5))
    while x < width:
        house_w, top = int(rng.uniform(0.2, 0.4) * width), int(rng.uniform(0.0, 0.3) * height)
        wall, pane = colour(rng, 0.1, 0.5, 0.4, 0.9), colour(rng, 0.2, 0.5, 0.2, 0.6)
        cv2.rectangle(picture, (x, top), (x + house_w, ground), wall.tolist(), -1)
        size, gap = max(6, house_w // 6), max(10, int(house_w / 3.3))
        for left in range(x + gap - size, x + house_w - size, gap):
            for upper in range(top + size, ground - size, gap):
                cv2.rectangle(picture, (left, upper), (left + size, upper + int(1.3 * size)), pane.tolist(), -1)
        x += house_w
    cv2.line(picture, (0, ground), (width, ground), (0.7, 0.7, 0.68), max(2, height // 60))
    return picture


BACKGROUNDS = (gradient, room, bricks, field, stripes, blobs, noise, street)


def add_clutter(rng: np.random.Generator, picture: np.ndarray, count: int) -> None:
    """Draw ``count`` shapes into the picture, in place: boxes, discs, poles and triangles, some as thick as limbs."""
    height, width = picture.shape[:2]
    for _ in range(count):
        x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        size = float(rng.uniform(0.04, 0.16)) * height
        paint = colour(rng).tolist()
        kind = int(rng.integers(4))
        if kind == 0:
            cv2.rectangle(picture, (x, y), (x + int(size * rng.uniform(0.5, 2)), y + int(size)), paint, -1)
        elif kind == 1:
            cv2.circle(picture, (x, y), int(size * 0.6), paint, -1, cv2.LINE_AA)
        elif kind == 2:
            reach = rng.normal(0, 2.5 * size, 2)
            cv2.line(picture, (x, y), (x + int(reach[0]), y + int(reach[1])), paint, max(2, int(size / 3)), cv2.LINE_AA)
        else:
            corners = (np.array((x, y)) + rng.normal(0, size, (3, 2))).astype(np.int32)
            cv2.fillPoly(picture, [corners], paint, cv2.LINE_AA)


def smooth_noise(rng: np.random.Generator, width: int, height: int, octaves: int) -> np.ndarray:
    """Noise (height, width) float32 in 0..1: random grids of doubling fineness, enlarged and averaged."""
    total, weight = np.zeros((height, width), np.float32), 0.0
    for octave in range(octaves):
        cells = 3 * 2 ** octave
        grid = rng.random((cells, cells), dtype=np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * 0.6 ** octave
        weight += 0.6 ** octave
    return np.clip(total / weight, 0, 1)


def colour(rng: np.random.Generator, low_saturation: float = 0.05, high_saturation: float = 0.75,
           low_value: float = 0.2, high_value: float = 0.95) -> np.ndarray:
    """A random RGB colour (3,) within the given ranges of saturation and value."""
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(low_saturation, high_saturation),
                                        rng.uniform(low_value, high_value)))


def _blend(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(h, w) shares of the second colour -> (h, w, 3) float32. A (h, 1) share gives (h, 1, 3)."""
    first, second = first.astype(np.float32), second.astype(np.float32)
    return first + share[..., None] * (second - first)
