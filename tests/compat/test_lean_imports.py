"""Parts of MMPose and MMEngine without the rest, which comes afterwards as usual."""
import subprocess
import sys
from pathlib import Path

HEAVY = ('numba', 'mmdet', 'torch._dynamo', 'torch.distributed.fsdp', 'sympy', 'pandas', 'matplotlib', 'scipy.stats',
         'albumentations', 'mmpose.models.distillers', 'mmpose.visualization')


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', 'import sys, rsn_mm\n' + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_photo_by_the_shipped_model_imports_nothing_heavy(tmp_path: Path) -> None:
    assert run(f'''
import cv2, numpy as np
from rsn_mm.apis.zoo import SHIPPED
from rsn_mm.cli.main import main
photo = {str(tmp_path / 'photo.png')!r}
cv2.imwrite(photo, np.random.default_rng(0).integers(0, 255, (128, 96, 3), np.uint8))
assert main(['predict', photo, '--pose', SHIPPED, '--det', 'whole', '--device', 'cpu', '--no-progress']) == 0
print([name for name in {HEAVY!r} if name in sys.modules])''') == '[]\n'


def test_packages_are_whole_afterwards_and_classes_the_same() -> None:
    assert run('''
from rsn_mm.compat import NeedsWholePackages, lean_imports
with lean_imports():
    from mmpose.models import TopdownPoseEstimator
    from mmpose.models.heads import BaseHead
    from mmpose.datasets.transforms import TopdownAffine
    from mmpose.registry import DATASETS, MODELS
    assert MODELS.get('TopdownPoseEstimator') is TopdownPoseEstimator
    for registry, name in ((MODELS, 'RTMCCHead'), (DATASETS, 'CocoDataset')):
        try:
            registry.get(name)
        except NeedsWholePackages as error:
            print(error)
    assert 'mmpose.models.distillers' not in sys.modules
import mmpose.models
from mmpose.models import heads
assert mmpose.models.TopdownPoseEstimator is TopdownPoseEstimator and heads.BaseHead is BaseHead
assert mmpose.models.heads.base_head.BaseHead is BaseHead and mmpose.models.pose_estimators.topdown
assert 'mmpose.models.distillers' in sys.modules
assert MODELS.get('RTMCCHead').__mro__[1] is BaseHead and DATASETS.get('CocoDataset').METAINFO
import mmpose.datasets.transforms
assert mmpose.datasets.transforms.TopdownAffine is TopdownAffine''').splitlines() == [
        "'RTMCCHead' of the registry 'model'", "'CocoDataset' of the registry 'dataset'"]


def test_names_that_a_package_makes_itself_make_it_whole() -> None:
    run('''
from rsn_mm.compat import lean_imports
with lean_imports():
    from mmpose.datasets import build_dataset
    from mmengine.model import *
    from mmengine.model import MMFullyShardedDataParallel
    assert BaseModule and callable(build_dataset)
import mmengine.model
assert mmengine.model.BaseModule is BaseModule
from mmengine.runner import Runner
assert Runner.load_or_resume.__name__ == 'load_or_resume_and_compile' ''')


def test_whole_packages_stay_as_they_are() -> None:
    run('''
import mmpose.models
before = sys.modules['mmpose.models']
from rsn_mm.compat import lean_imports
with lean_imports():
    from mmpose.models import heads
assert sys.modules['mmpose.models'] is before is mmpose.models and heads.RTMCCHead''')
