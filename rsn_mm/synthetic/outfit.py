"""What a person looks like: skin, hair, clothes, shoes and their colours."""
import colorsys
from typing import NamedTuple, Tuple

import numpy as np

from rsn_mm.synthetic.render import Cloth
from rsn_mm.synthetic.skeleton import choose

SKINS = ((0.98, 0.82, 0.72), (0.93, 0.74, 0.60), (0.84, 0.62, 0.47), (0.68, 0.47, 0.34), (0.50, 0.34, 0.25),
         (0.36, 0.24, 0.18))
HAIRS = ((0.10, 0.08, 0.08), (0.22, 0.14, 0.09), (0.40, 0.25, 0.13), (0.62, 0.36, 0.16), (0.85, 0.68, 0.36),
         (0.62, 0.60, 0.58))
# name: (weight,)
HAIR_STYLES = {'short': (0.44,), 'long': (0.28,), 'bun': (0.10,), 'cap': (0.12,), 'bald': (0.06,)}
BOTTOMS = {'trousers': (0.52,), 'shorts': (0.22,), 'skirt': (0.14,), 'dress': (0.12,)}
SLEEVES = {'none': (0.15,), 'short': (0.45,), 'long': (0.40,)}
PATTERNS = {'plain': (0.60,), 'rings': (0.16,), 'stripes': (0.08,), 'checks': (0.08,), 'dots': (0.08,)}


class Outfit(NamedTuple):
    """Everything drawn on a body. ``sleeve``, ``bottom_style`` and ``hair_style`` are names from the tables above."""

    skin: Cloth
    hair: Cloth
    hair_style: str
    hat: Cloth
    iris: Cloth
    lips: Cloth
    top: Cloth
    sleeve: str
    bottom: Cloth
    bottom_style: str
    shoes: Cloth
    looseness: float


def sample_outfit(rng: np.random.Generator) -> Outfit:
    """A random outfit in which the upper and the lower garment differ clearly in colour, a dress excepted."""
    skin = SKINS[int(rng.integers(len(SKINS)))]
    hair = HAIRS[int(rng.integers(len(HAIRS)))]
    top = sample_cloth(rng)
    bottom = top._replace(pattern='plain')
    while _distance(top.colour, bottom.colour) < 0.35:
        bottom = Cloth(_sample_colour(rng))
    style = choose(rng, BOTTOMS)
    return Outfit(
        skin=Cloth(_vary(rng, skin)), hair=Cloth(_vary(rng, hair)), hair_style=choose(rng, HAIR_STYLES),
        hat=Cloth(_sample_colour(rng)), iris=Cloth((0.08, 0.06, 0.08)),
        lips=Cloth((0.75 * skin[0] + 0.1, 0.40 * skin[1], 0.42 * skin[2])), top=top, sleeve=choose(rng, SLEEVES),
        bottom=top if style == 'dress' else bottom, bottom_style=style,
        shoes=Cloth(_vary(rng, ((0.12, 0.11, 0.11), (0.92, 0.92, 0.90), (0.35, 0.20, 0.12), (0.70, 0.12, 0.14))
                          [int(rng.integers(4))])),
        looseness=float(rng.uniform(1.0, 1.22)))


def sample_cloth(rng: np.random.Generator) -> Cloth:
    """A cloth with a random pattern; its two colours differ clearly."""
    colour = second = _sample_colour(rng)
    while _distance(colour, second) < 0.35:
        second = _sample_colour(rng)
    return Cloth(colour, choose(rng, PATTERNS), second, float(rng.uniform(0.025, 0.06)))


def _sample_colour(rng: np.random.Generator) -> Tuple[float, float, float]:
    """RGB: mostly saturated, sometimes white, grey or black."""
    if rng.random() < 0.25:
        grey = float(rng.choice((0.14, 0.45, 0.93)))
        return _vary(rng, (grey, grey, grey))
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.45, 0.95), rng.uniform(0.35, 0.98))


def _vary(rng: np.random.Generator, colour: Tuple[float, float, float]) -> Tuple[float, float, float]:
    red, green, blue = np.clip(np.array(colour) * rng.uniform(0.92, 1.06) + rng.normal(0, 0.012, 3), 0, 1)
    return float(red), float(green), float(blue)


def _distance(first: Tuple[float, float, float], second: Tuple[float, float, float]) -> float:
    return float(np.linalg.norm(np.subtract(first, second)))
