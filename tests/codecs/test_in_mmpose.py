"""QuarterOffsetHeatmap in the places of MMPose where MegviiHeatmap stands."""
import numpy as np
import pytest
from mmpose.codecs import MegviiHeatmap
from mmpose.datasets.transforms import GenerateTarget
from mmpose.registry import KEYPOINT_CODECS

from rsn_mm.codecs import QuarterOffsetHeatmap

KWARGS = dict(input_size=(48, 64), heatmap_size=(12, 16), kernel_size=5)


class TestDropIn:

    def test_takes_the_same_arguments(self):
        assert isinstance(
            KEYPOINT_CODECS.build(dict(type='rsn_mm.QuarterOffsetHeatmap', **KWARGS)), QuarterOffsetHeatmap)

    def test_encodes_to_the_same_targets(self):
        """Two pixels and more from the border: there MegviiHeatmap scales the joint's pixel, not the peak, to 255."""
        joints = np.random.default_rng(0).uniform(8, [40, 56], (1, 17, 2))
        visible = np.ones((1, 17), dtype=np.float32)
        visible[0, 3] = 0
        ours = QuarterOffsetHeatmap(**KWARGS).encode(joints, visible)
        megvii = MegviiHeatmap(**KWARGS).encode(joints, visible)
        assert ours.keys() == megvii.keys()
        for name in ours:
            assert ours[name].shape == megvii[name].shape and ours[name].dtype == megvii[name].dtype
            np.testing.assert_allclose(ours[name], megvii[name], atol=1e-3)

    def test_decodes_to_the_same_shapes(self):
        maps = np.random.default_rng(0).uniform(0, 255, (17, 16, 12)).astype(np.float32)
        ours, megvii = QuarterOffsetHeatmap(**KWARGS).decode(maps), MegviiHeatmap(**KWARGS).decode(maps.copy())
        assert [a.shape for a in ours] == [a.shape for a in megvii]

    def test_tables_and_scale(self):
        ours, megvii = QuarterOffsetHeatmap(**KWARGS), MegviiHeatmap(**KWARGS)
        assert ours.label_mapping_table == megvii.label_mapping_table
        assert ours.field_mapping_table == megvii.field_mapping_table
        np.testing.assert_array_equal(ours.scale_factor, megvii.scale_factor)
        assert ours.support_batch_decoding

    @pytest.mark.parametrize('multilevel', [False, True])
    def test_generate_target(self, multilevel):
        encoder = dict(type='rsn_mm.QuarterOffsetHeatmap', **KWARGS)
        encoder = [dict(encoder, kernel_size=k) for k in (9, 5)] if multilevel else encoder
        results = GenerateTarget(encoder=encoder, multilevel=multilevel)(
            dict(keypoints=np.full((1, 3, 2), 20.), keypoints_visible=np.ones((1, 3))))
        maps = results['heatmaps']
        assert [m.shape for m in maps] == ([(3, 16, 12)] * 2 if multilevel else [(16, 12)] * 3)
        assert results['field_mapping_table'] == dict(heatmaps='heatmaps')
