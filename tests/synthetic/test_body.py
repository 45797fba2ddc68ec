import numpy as np
import pytest

from rsn_mm.synthetic.body import PROP, build_parts
from rsn_mm.synthetic.outfit import BOTTOMS, HAIR_STYLES, PATTERNS, SLEEVES, sample_outfit
from rsn_mm.synthetic.render import draw_parts, place
from rsn_mm.synthetic.skeleton import KEYPOINT_NAMES, pose_body, sample_pose, sample_shape


def sample_parts(rng, seated=False, **changes):
    shape = sample_shape(rng)
    body = pose_body(shape, sample_pose(rng))
    return body, build_parts(shape, body, sample_outfit(rng)._replace(**changes), seated)


def distance_beyond_surface(point, cone):
    """How far a point lies outside an unsquashed round cone (negative inside), by its balls."""
    shares = np.linspace(0, 1, 101)[:, None]
    middles = cone.start + shares * (cone.end - cone.start)
    radii = cone.start_radius + shares[:, 0] * (cone.end_radius - cone.start_radius)
    return float((np.linalg.norm(point - middles, axis=1) - radii).min())


def test_every_keypoint_lies_inside_each_part_that_claims_it():
    rng = np.random.default_rng(0)
    for _ in range(20):
        body, parts = sample_parts(rng)
        assert {name for part in parts for name in part.joints} == set(KEYPOINT_NAMES)
        for part in parts:
            for name in part.joints:
                # An iris is a thin disc in front of the eye, whose middle is the keypoint.
                slack = 0.02 if part.name.endswith(('iris', 'foot')) else 1e-6
                assert distance_beyond_surface(body.points[name], part.cone) <= slack, (part.name, name)


def test_names_are_unique_and_the_stool_comes_only_with_a_seat():
    rng = np.random.default_rng(1)
    for bottom in BOTTOMS:
        for seated in (False, True):
            _, parts = sample_parts(rng, seated, bottom_style=bottom)
            names = [part.name for part in parts]
            assert len(set(names)) == len(names)
            assert (PROP in names) == seated
            assert ('skirt' in names) == (bottom in ('skirt', 'dress'))


@pytest.mark.parametrize('field, values', (('hair_style', HAIR_STYLES), ('sleeve', SLEEVES), ('looseness', (1.0, 1.3)),
                                           ('bottom_style', ('trousers', 'shorts', 'skirt'))))
def test_every_choice_of_outfit_is_seen(field, values):
    pictures = []
    for value in values:
        _, parts = sample_parts(np.random.default_rng(5), **{'sleeve': 'long', 'bottom_style': 'trousers',
                                                             field: value})
        layer = draw_parts(place(parts, 200, np.array((150, 150))), 200, (300, 300), np.array((0, 0, 1), np.float32))
        canvas = np.zeros((300, 300, 3), np.float32)
        (x, y), (h, w) = layer.origin, layer.part.shape
        canvas[y:y + h, x:x + w] = layer.colour
        pictures.append(canvas)
    for index, first in enumerate(pictures):
        for second in pictures[index + 1:]:
            assert (np.abs(first - second).max(axis=2) > 0.02).sum() > 15


def test_outfits_vary_and_their_colours_differ():
    rng = np.random.default_rng(2)
    outfits = [sample_outfit(rng) for _ in range(120)]
    assert {outfit.hair_style for outfit in outfits} == set(HAIR_STYLES)
    assert {outfit.bottom_style for outfit in outfits} == set(BOTTOMS)
    assert {outfit.top.pattern for outfit in outfits} == set(PATTERNS)
    for outfit in outfits:
        cloths = [value for value in outfit if hasattr(value, 'colour')]
        assert all(0 <= channel <= 1 for cloth in cloths for channel in cloth.colour)
        assert np.linalg.norm(np.subtract(outfit.top.colour, outfit.top.second)) >= 0.35
        if outfit.bottom_style != 'dress':
            assert np.linalg.norm(np.subtract(outfit.top.colour, outfit.bottom.colour)) >= 0.35
