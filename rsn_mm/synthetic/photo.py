"""What the camera adds: ground shadows, uneven light, blur and noise. Pictures are (h, w, 3) float32, RGB in 0..1."""
import cv2
import numpy as np


def add_shadow(picture: np.ndarray, box: np.ndarray, stature: float) -> None:
    """Darken the ground below a person, in place.

    Args:
        picture (np.ndarray): (h, w, 3) float32.
        box (np.ndarray): (4,) left, top, right, bottom of the person in pixels.
        stature (float): in pixels.
    """
    height, width = picture.shape[:2]
    centre_x, centre_y = (box[0] + box[2]) / 2, box[3] - 0.02 * stature
    half_w, half_h = 0.45 * (box[2] - box[0]) + 0.05 * stature, 0.06 * stature
    x0, x1 = int(np.clip(centre_x - half_w, 0, width)), int(np.clip(centre_x + half_w + 1, 0, width))
    y0, y1 = int(np.clip(centre_y - half_h, 0, height)), int(np.clip(centre_y + half_h + 1, 0, height))
    x, y = (np.arange(x0, x1) + 0.5 - centre_x) / half_w, (np.arange(y0, y1) + 0.5 - centre_y) / half_h
    strength = 0.45 * np.clip(1 - x[None, :] ** 2 - y[:, None] ** 2, 0, 1)
    picture[y0:y1, x0:x1] *= (1 - strength[..., None]).astype(np.float32)


def finish_photo(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Uneven light, a tint, blur and noise.

    Returns:
        np.ndarray: (h, w, 3) uint8, BGR.
    """
    height, width = picture.shape[:2]
    slope = rng.normal(0, 0.07, 2).astype(np.float32)
    gain = (np.float32(rng.uniform(0.85, 1.1)) + slope[0] * np.linspace(-1, 1, width, dtype=np.float32)[None, :]
            + slope[1] * np.linspace(-1, 1, height, dtype=np.float32)[:, None])
    photo = picture * gain[..., None] * rng.uniform(0.94, 1.06, 3).astype(np.float32)
    if rng.random() < 0.5:
        photo = cv2.GaussianBlur(photo, (0, 0), float(rng.uniform(0.4, 0.9)))
    photo += np.float32(rng.uniform(0.0, 0.025)) * rng.standard_normal(photo.shape, dtype=np.float32)
    return np.round(np.clip(photo, 0, 1) * 255).astype(np.uint8)[:, :, ::-1]
