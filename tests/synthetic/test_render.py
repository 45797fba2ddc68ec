import numpy as np
import pytest

from rsn_mm.synthetic.render import Cloth, Part, RoundCone, cone_depth, draw_parts, place

LIGHT = np.array((0.0, 0.0, 1.0), np.float32)
RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def vector(*values):
    return np.array(values, dtype=float)


def slow_depth(cone, x, y):
    """Depth of many balls along the segment, one after another; None where none is hit."""
    axis = cone.squash_axis if cone.squash_axis is not None else vector(1, 0, 0)
    stretch = np.eye(3) + (1 / cone.squash - 1) * np.outer(axis, axis)
    sight = stretch[:, 2]
    share = np.linspace(0, 1, 1501)[:, None]
    radius = (cone.start_radius + share * (cone.end_radius - cone.start_radius))[:, 0]
    foot = (vector(x, y, 0) - cone.start - share * (cone.end - cone.start)) @ stretch
    # |foot + z sight| = radius; the greater root faces the viewer.
    a, b, c = sight @ sight, foot @ sight, (foot ** 2).sum(axis=1) - radius ** 2
    hit = b * b >= a * c
    return ((-b + np.sqrt(np.maximum(b * b - a * c, 0))) / a)[hit].max() if hit.any() else None


def random_cone(rng, squashed):
    axis = rng.normal(size=3)
    return RoundCone(rng.uniform(5, 15, 3), rng.uniform(5, 15, 3), rng.uniform(1, 4), rng.uniform(1, 4),
                     axis / np.linalg.norm(axis) if squashed else None, 0.6 if squashed else 1.0)


@pytest.mark.parametrize('squashed', (False, True))
def test_depth_agrees_with_many_balls(squashed):
    rng = np.random.default_rng(3)
    for _ in range(12):
        cone = random_cone(rng, squashed)
        x, y = np.sort(rng.uniform(2, 18, 5)), np.sort(rng.uniform(2, 18, 5))
        depth, share = cone_depth(cone, x, y)
        assert share.min() >= 0 and share.max() <= 1
        for row in range(5):
            for column in range(5):
                expected = slow_depth(cone, x[column], y[row])
                if expected is None:
                    assert depth[row, column] == -np.inf
                elif np.isfinite(depth[row, column]):
                    assert depth[row, column] == pytest.approx(expected, abs=2e-2)
                else:
                    # Only a ray that grazes the surface may be lost to rounding.
                    assert slow_depth(cone._replace(start_radius=cone.start_radius - 0.02,
                                                    end_radius=cone.end_radius - 0.02), x[column], y[row]) is None


def test_depth_of_a_ball_and_of_a_cone_along_the_sight():
    ball = RoundCone(vector(4, 4, 7), vector(4, 4, 7), 3, 3)
    depth, _ = cone_depth(ball, vector(4, 6, 7.5), vector(4))
    np.testing.assert_allclose(depth[0, :2], (10, 7 + np.sqrt(5)), rtol=1e-6)
    assert depth[0, 2] == -np.inf
    along = RoundCone(vector(4, 4, 0), vector(4, 4, 5), 3, 1)
    depth, share = cone_depth(along, vector(4, 6), vector(4))
    np.testing.assert_allclose(depth[0], (6, np.sqrt(5)), rtol=1e-6)
    assert share[0].tolist() == [1, 0]


def test_open_end_leaves_out_the_last_ball():
    cone = RoundCone(vector(5, 5, 0), vector(5, 15, 0), 3, 3)
    closed, _ = cone_depth(cone, vector(5), vector(14, 16))
    opened, _ = cone_depth(cone._replace(open_end=True), vector(5), vector(14, 16))
    assert np.isfinite(closed).all()
    assert np.isfinite(opened[0, 0]) and opened[1, 0] == -np.inf


def test_nearer_part_wins_whatever_the_order():
    near = Part('near', RoundCone(vector(8, 8, 5), vector(8, 8, 5), 3, 3), Cloth(RED))
    far = Part('far', RoundCone(vector(8, 8, 0), vector(8, 8, 0), 6, 6), Cloth(BLUE))
    for parts in ((near, far), (far, near)):
        layer = draw_parts(parts, 10, (20, 20), LIGHT)
        assert layer.origin == (2, 2) and layer.part.shape == (12, 12)
        names = np.array([*(part.name for part in parts), 'none'])[layer.part]
        assert names[6, 6] == 'near' and names[6, 1] == 'far' and names[0, 0] == 'none'
        assert (layer.part >= 0).tolist() == np.isfinite(layer.depth).tolist()
        assert layer.colour[6, 6, 0] > 0.9 and layer.colour[6, 1, 2] > 0.1


def test_what_lies_outside_is_cut_off():
    ball = Part('ball', RoundCone(vector(0, 5, 0), vector(0, 5, 0), 3, 3), Cloth(RED))
    layer = draw_parts([ball], 10, (20, 20), LIGHT)
    assert layer.origin == (0, 2) and layer.part.shape == (6, 3)
    away = ball._replace(cone=ball.cone._replace(start=vector(-9, 5, 0), end=vector(-9, 5, 0)))
    assert draw_parts([away], 10, (20, 20), LIGHT).part.size == 0
    assert draw_parts([away, ball], 10, (20, 20), LIGHT).part.max() == 1
    assert draw_parts([], 10, (20, 20), LIGHT).part.size == 0


@pytest.mark.parametrize('pattern, varies_across, varies_along', (
    ('plain', False, False), ('rings', False, True), ('stripes', True, False), ('checks', True, True),
    ('dots', True, True)))
def test_patterns(pattern, varies_across, varies_along):
    cloth = Cloth(RED, pattern, BLUE, period=0.2)
    # The middle of the first dot lies half a period beside the start.
    part = Part('part', RoundCone(vector(15, 5, 0), vector(15, 45, 0), 14, 14), cloth)
    layer = draw_parts([part], 20, (40, 60), LIGHT)
    blue = layer.colour[..., 2] > layer.colour[..., 0]
    column, row = layer.origin
    row_varies = any(np.unique(blue[y - row, 3 - column:27 - column]).size > 1 for y in range(20, 32))
    column_varies = any(np.unique(blue[10 - row:40 - row, x - column]).size > 1 for x in range(10, 20))
    assert (row_varies, column_varies) == (varies_across, varies_along)


def test_hem_and_light():
    part = Part('arm', RoundCone(vector(10, 5, 0), vector(10, 25, 0), 4, 4), Cloth(RED), hem=0.5, bare=Cloth(BLUE))
    layer = draw_parts([part], 20, (40, 40), LIGHT)
    middle = layer.colour[:, 4]
    assert middle[5, 0] > 0.5 > middle[5, 2] and middle[20, 2] > 0.5 > middle[20, 0]
    side = draw_parts([part], 20, (40, 40), np.array((1, 0, 0), np.float32)).colour[6, :, 0]
    assert side[6] > side[1] + 0.05


def test_place_scales_then_moves():
    part = Part('part', RoundCone(vector(1, 2, 3), vector(4, 5, 6), 0.5, 0.25), Cloth(RED))
    cone = place([part], 10.0, vector(100, 200))[0].cone
    assert cone.start.tolist() == [110, 220, 30] and cone.end.tolist() == [140, 250, 60]
    assert (cone.start_radius, cone.end_radius) == (5, 2.5)
