"""The registries of scope rsn_mm, in a fresh interpreter: what a test run has imported hides what a user lacks."""
import subprocess
from typing import List

import pytest
from mmengine.registry import Registry
from mmpose import registry as mmpose_registry

import rsn_mm.codecs
import rsn_mm.datasets
import rsn_mm.engine
import rsn_mm.evaluation
import rsn_mm.models
import rsn_mm.transforms
from rsn_mm import registry

from . import warm

OURS = {
    'MODELS': ['RSN', 'RSNEncoder', 'MultiStageHead', 'PoseDataPreprocessor', 'KeypointOHKMMSELoss',
               'ExpMomentumEMA', 'ExponentialMovingAverage'],
    'KEYPOINT_CODECS': ['QuarterOffsetHeatmap'],
    'TRANSFORMS': [
        'GenerateTarget', 'LoadImage', 'LoadVisibility', 'RandomBBoxTransform', 'RandomBoxExtension', 'RandomHalfBodyBox',
        'RandomPictureEdge', 'TopdownAffine', 'UniformBBoxTransform'
    ],
    'DATASETS': ['CocoDataset', 'CocoWholeBodyDataset', 'CrowdPoseDataset', 'MpiiDataset'],
    'DATA_SAMPLERS': ['PhotoWindowSampler'],
    'HOOKS': ['BadCaseAnalysisHook', 'CheckpointHook', 'EpochSeedHook', 'FuseHook', 'LossGuardHook', 'RuntimeInfoHook',
              'SyncBuffersHook'],
    'LOOPS': ['TestLoop', 'ValLoop'],
    'METRICS': ['CocoMetric', 'CocoWholeBodyMetric', 'TorsoPCKAccuracy'],
    'OPTIM_WRAPPERS': ['AmpOptimWrapper', 'OptimWrapper'],
    'OPTIM_WRAPPER_CONSTRUCTORS': ['DefaultOptimWrapperConstructor'],
}
FOLDERS = dict(
    MODELS='models', KEYPOINT_CODECS='codecs', TRANSFORMS='transforms', DATASETS='datasets', DATA_SAMPLERS='datasets',
    HOOKS='engine', LOOPS='engine', OPTIM_WRAPPERS='engine', OPTIM_WRAPPER_CONSTRUCTORS='engine', METRICS='evaluation')
MODULES = {name: getattr(rsn_mm, folder) for name, folder in FOLDERS.items()}


def fresh(code: str) -> List[str]:
    """Lines that a program prints in an interpreter of its own."""
    done = subprocess.run([warm.python(), '-W', 'ignore', '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


class TestFreshInterpreter:

    def test_default_scope_rsn_mm(self):
        """With default_scope='rsn_mm' our names, MMPose's and MMEngine's need no prefix and no custom_imports."""
        code = '''
import rsn_mm.registry as ours
import sys
assert not [m for m in sys.modules if m.startswith('rsn_mm.models')], 'registry.py must stay light'
from mmengine.registry import init_default_scope, MODELS, TRANSFORMS, DATASETS, METRICS, HOOKS, VISUALIZERS, OPTIMIZERS
from mmpose.registry import KEYPOINT_CODECS
init_default_scope('rsn_mm')
for registry, name in [(MODELS, 'RSN'), (MODELS, 'MSPNHead'), (MODELS, 'TopdownPoseEstimator'), (MODELS, 'ResNet'),
                       (MODELS, 'PoseDataPreprocessor'), (TRANSFORMS, 'LoadImage'), (TRANSFORMS, 'TopdownAffine'),
                       (DATASETS, 'CocoDataset'), (DATASETS, 'CombinedDataset'), (METRICS, 'CocoMetric'),
                       (HOOKS, 'PoseVisualizationHook'), (HOOKS, 'CheckpointHook'),
                       (VISUALIZERS, 'PoseLocalVisualizer'), (OPTIMIZERS, 'Adam'),
                       (KEYPOINT_CODECS, 'QuarterOffsetHeatmap'), (KEYPOINT_CODECS, 'UDPHeatmap')]:
    with registry.switch_scope_and_registry(None) as current:
        print(name, current.scope, getattr(current.get(name), '__module__', None))
'''
        lines = {name: rest for name, *rest in map(str.split, fresh(code))}
        assert len(lines) == 16
        assert {scope for scope, _ in lines.values()} == {'rsn_mm'}
        for name in ('RSN', 'LoadImage', 'TopdownAffine', 'CocoDataset', 'QuarterOffsetHeatmap', 'CocoMetric'):
            assert lines[name][1].startswith('rsn_mm.'), name
        for name in ('MSPNHead', 'TopdownPoseEstimator', 'ResNet', 'CombinedDataset',
                     'PoseVisualizationHook', 'PoseLocalVisualizer', 'UDPHeatmap'):
            assert lines[name][1].startswith('mmpose.'), name

    def test_default_scope_mmpose(self):
        """In a config of MMPose's a prefix is enough; nothing of ours is imported by hand, nothing of theirs hidden."""
        code = '''
import rsn_mm
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS, KEYPOINT_CODECS
init_default_scope('mmpose')
codec = dict(type='rsn_mm.QuarterOffsetHeatmap', input_size=(48, 64), heatmap_size=(12, 16), kernel_size=5)
model = MODELS.build(dict(
    type='TopdownPoseEstimator', backbone=dict(type='rsn_mm.RSN', num_blocks=[1, 1], stem_channels=8),
    head=dict(type='rsn_mm.MultiStageHead', num_units=2, decoder=codec)))
print(type(model.backbone).__module__, type(model.head).__module__, type(model.head.decoder).__module__)
print(MODELS.get('RSN').__module__, type(KEYPOINT_CODECS.build(codec)).__module__)
'''
        assert fresh(code) == [
            'rsn_mm.models.backbones rsn_mm.models.heads rsn_mm.codecs.quarter_offset_heatmap',
            'mmpose.models.backbones.rsn rsn_mm.codecs.quarter_offset_heatmap'
        ]


class TestChildren:

    def test_one_for_every_registry_of_mmpose(self):
        """Without a child MMEngine would look in its own root and not find MMPose's."""
        theirs = {name for name, value in vars(mmpose_registry).items()
                  if isinstance(value, Registry) and value.scope == 'mmpose'}
        ours = {name for name, value in vars(registry).items() if isinstance(value, Registry)}
        assert theirs - ours == set()
        for name in ours:
            assert getattr(registry, name).parent is getattr(mmpose_registry, name)
            assert getattr(registry, name).scope == 'rsn_mm'

    @pytest.mark.parametrize('name', OURS)
    def test_holds_what_is_ours_and_nothing_else(self, name):
        assert sorted(getattr(registry, name).module_dict) == sorted(OURS[name])

    @pytest.mark.parametrize('name', OURS)
    def test_locations_import_what_they_hold(self, name):
        assert MODULES[name].__name__ in getattr(registry, name)._locations

    def test_exported_names_exist(self):
        for module in MODULES.values():
            assert all(callable(getattr(module, exported)) for exported in module.__all__)
