"""Parts of MMPose and MMEngine without the rest, in processes of the command alone; the rest comes afterwards as usual."""
import subprocess
import sys
from pathlib import Path

from mmengine.registry import Registry

from rsn_mm import registry
from rsn_mm.compat import lean_imports

from .. import warm

HEAVY = ('numba', 'mmdet', 'torch._dynamo', 'torch.distributed.fsdp', 'sympy', 'pandas', 'matplotlib', 'scipy.stats', 'av',
         'requests', 'albumentations', 'mmpose.models.distillers', 'mmpose.visualization', 'PIL.DdsImagePlugin')


def run(code: str, python: str = '') -> str:
    """What a fresh interpreter prints, in which lean imports are allowed."""
    code = 'import sys, rsn_mm\nfrom rsn_mm.compat import claim_process, lean_imports\nclaim_process()\n' + code
    done = subprocess.run([python or warm.python(), '-W', 'ignore', '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_photo_by_the_command_imports_nothing_heavy_and_all_works_afterwards(tmp_path: Path) -> None:
    lines = run(f'''
import cv2, gc, numpy as np
from rsn_mm.apis.zoo import SHIPPED
from rsn_mm.cli.__main__ import run_as_process
photo = {str(tmp_path / 'photo.jpg')!r}
cv2.imwrite(photo, np.random.default_rng(0).integers(0, 255, (128, 96, 3), np.uint8))
sys.argv = ['rsn-mm', 'predict', photo, '--pose', SHIPPED, '--det', 'whole', '--device', 'cpu']
assert run_as_process() == 0
print([name for name in {HEAVY!r} if name in sys.modules], gc.isenabled())
from mmengine.config import Config  # by MMPose's own functions, and as in training
from mmengine.runner import Runner
from mmpose.apis import inference_topdown, init_model
from rsn_mm.model_index import config_path, weights_of
import mmpose.models, pickle
config = Config.fromfile(config_path(SHIPPED))
model = init_model(config, weights_of(SHIPPED), device='cpu')
sample, = inference_topdown(model, photo)
assert type(model) is mmpose.models.TopdownPoseEstimator and pickle.loads(pickle.dumps(type(model.head))) is type(model.head)
print(sample.pred_instances.keypoints.shape, Runner.build_train_loop.__name__)''', sys.executable).splitlines()
    assert lines[0] == '[] True' and lines[-1] == '(1, 14, 2) build_train_loop'


def test_packages_are_whole_afterwards_and_classes_the_same() -> None:
    assert run('''
with lean_imports():
    from mmpose.models import TopdownPoseEstimator
    from mmpose.models.heads import BaseHead
    from mmpose.models import heads, necks
    from mmpose.datasets.transforms import TopdownAffine
    from mmpose.registry import DATASETS, MODELS
    assert MODELS.get('TopdownPoseEstimator') is TopdownPoseEstimator
    print('mmpose.models.distillers' in sys.modules)
import mmpose.models
before = sys.modules['mmpose.models.necks']
assert necks.FPN is mmpose.models.FPN and not hasattr(necks, 'nonsense')  # by a name for the package as it was inside
assert sys.modules['mmpose.models.necks'] is before is mmpose.models.necks
assert mmpose.models.TopdownPoseEstimator is TopdownPoseEstimator and heads.BaseHead is BaseHead
assert mmpose.models.heads.base_head.BaseHead is BaseHead and mmpose.models.pose_estimators.topdown
print('mmpose.models.distillers' in sys.modules)
assert MODELS.get('RTMCCHead').__mro__[1] is BaseHead and DATASETS.get('CocoDataset').METAINFO
import mmpose.datasets.transforms
assert mmpose.datasets.transforms.TopdownAffine is TopdownAffine
with lean_imports():
    from mmpose.models import backbones
assert sys.modules['mmpose.models'] is mmpose.models and backbones.RSN''') == 'False\nTrue\n'


def test_a_type_that_is_not_known_ends_it_in_whatever_thread() -> None:
    run('''
import threading
with lean_imports():
    from mmengine.registry import Registry
    from mmpose.registry import MODELS
    before = Registry.get
    found = []
    def other():
        found.append(MODELS.get('RTMCCHead'))
    thread = threading.Thread(target=other)
    thread.start(); thread.join()
    assert Registry.get is not before and Registry.get.__qualname__ == 'Registry.get'
    from mmpose.models.heads import RTMCCHead
    assert found == [RTMCCHead] and MODELS.get('nothing') is None
    from mmpose.datasets import build_dataset
assert callable(build_dataset)''')


def test_names_that_a_package_makes_itself_make_it_whole_and_a_failure_is_not_the_last_word() -> None:
    run('''
with lean_imports():
    from mmpose.datasets import build_dataset
    from mmengine.model import *
    from mmengine.model import MMFullyShardedDataParallel
    assert BaseModule and callable(build_dataset)
    from mmpose.models.heads import BaseHead
class Fails:
    def find_spec(self, name, path=None, target=None):
        if name == 'mmpose.models.heads.hybrid_heads':
            raise ImportError('the disk is full')
sys.meta_path.insert(0, Fails())
try:
    import mmpose.models
    raise SystemExit('it was imported')
except ImportError as error:
    assert 'disk' in str(error)
sys.meta_path = [finder for finder in sys.meta_path if not isinstance(finder, Fails)]
import mmpose.models
assert mmpose.models.heads.BaseHead is BaseHead is mmpose.models.heads.base_head.BaseHead
from mmengine.runner import Runner
assert Runner.load_or_resume.__name__ == 'load_or_resume_and_compile' ''')


def test_nothing_happens_where_it_is_not_allowed() -> None:
    before = list(sys.meta_path), Registry.get, Registry.import_from_location
    with lean_imports():
        assert (list(sys.meta_path), Registry.get, Registry.import_from_location) == before


def test_no_model_of_ours_hides_one_of_the_stack_before_it_is_imported() -> None:
    """Of the registries that a model for prediction is built by, only weights of training hide others."""
    hidden = set()
    for ours in (registry.MODELS, registry.KEYPOINT_CODECS):
        ours.get('RSN')  # imports all that there is
        ancestor = ours.parent
        while ancestor is not None:
            hidden |= {name for name in ours.module_dict if name in ancestor.module_dict
                       and not ours.module_dict[name].__module__.startswith('rsn_mm.models')}
            ancestor = ancestor.parent
    assert hidden == {'ExpMomentumEMA', 'ExponentialMovingAverage'}
