"""Two of MMPose's own configs with RSN's backbones, as `mmpose_configs.py` runs all of them; and its logic."""
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Dict

import pytest
from mmengine.config import config as mmengine_config

from ..conftest import load_script

FOLDER = Path(__file__).parent
ENCODER, STAGES = 'RSNEncoder', 'RSN + MultiStageHead'


@pytest.fixture(scope='module')
def script() -> ModuleType:
    path = list(sys.path)
    with pytest.MonkeyPatch.context() as patch:
        # As the script has it: making the text of a config pretty takes longer than its two iterations.
        patch.setattr(mmengine_config, 'FormatCode', lambda text, **options: (text, True))
        yield load_script(FOLDER / 'mmpose_configs.py')
    sys.path[:] = path


@pytest.fixture(scope='module')
def data(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return script.TinyData(tmp_path_factory.mktemp('mmpose_configs') / 'data')


@pytest.mark.parametrize('name, variant, amp', [
    ('animal_2d_keypoint/topdown_heatmap/zebra/td-hm_res50_8xb64-210e_zebra-160x160.py', STAGES, False),
    ('hand_2d_keypoint/topdown_regression/rhd2d/td-reg_res50_8xb64-210e_rhd2d-256x256.py', ENCODER, True),
], ids=['heatmaps, no sigmas', 'regression in bfloat16'])
def test_a_config_trains_validates_saves_loads_and_predicts(script: ModuleType, data: Any, tmp_path: Path, name: str,
                                                            variant: str, amp: bool) -> None:
    assert script.attempt(name, variant, data, tmp_path / 'work', amp) is None


def of(name: str, variant: str, result: str, **more: Any) -> Dict[str, Any]:
    return dict(name=name, variant=variant, result=result, **more)


def test_the_table_counts_by_family_and_names_what_failed(script: ModuleType) -> None:
    text = script.table([
        of('a/b/c/one.py', ENCODER, 'passed', run='1'), of('a/b/c/one.py', STAGES, 'failed', run='2', reason='no reason'),
        of('a/b/c/two.py', ENCODER, "MMPose's own", run='3', reason='theirs'), of('a/b/c/two.py', STAGES, 'not run'),
        of('d/e/three.py', ENCODER, 'not applicable', reason='lifts')
    ])
    assert '| a/b | 2 | 3 | 1 | 0 | 0 | 1 | 1 | 0 | 1 |' in text and '| d/e | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 1 | 0 |' in text
    assert '- failed: no reason: one (stages)' in text and "- MMPose's own: theirs: two" in text


def test_configs_that_a_swap_makes_alike_run_once(script: ModuleType) -> None:
    folder = 'face_2d_keypoint/topdown_heatmap/coco_wholebody_face/td-hm_'
    digests = []
    for name in ('res50', 'mobilenetv2', 'hourglass52'):
        config = script.load(f'{folder}{name}_8xb32-60e_coco-wholebody-face-256x256.py')
        script.swap(config, ENCODER)
        digests.append(script.digest(config))
    assert digests[0] == digests[1] != digests[2]


def test_every_kind_comes_early(script: ModuleType) -> None:
    order = script.order(['a/1.py', 'a/2.py', 'b/1.py'])
    assert order == [('a/1.py', ENCODER), ('b/1.py', ENCODER), ('a/1.py', STAGES), ('b/1.py', STAGES), ('a/2.py', ENCODER),
                     ('a/2.py', STAGES)]


def test_lifting_has_no_backbone_to_swap(script: ModuleType) -> None:
    with pytest.raises(script.NotApplicable, match='no pictures'):
        script.load('body_3d_keypoint/image_pose_lift/h36m/image-pose-lift_tcn_8xb64-200e_h36m.py')
