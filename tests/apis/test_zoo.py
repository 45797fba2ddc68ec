"""Names, the weights behind them, and which model and detector a machine takes."""
import hashlib
import io
import logging
import re
from pathlib import Path
from typing import Any, Dict, List, NamedTuple

import mmpose
import numpy as np
import pytest
import torch
from mmengine.config import Config

from rsn_mm.apis import PoseInferencer, zoo
from rsn_mm.apis.configs import find_model, find_weights
from rsn_mm.apis.person_detectors import NoDetectorError, load_detector
from rsn_mm.apis.pose_models import load_pose_model
from rsn_mm.apis.zoo import DETECTORS, SHIPPED, Model, all_models, default_detector, take_model, usable_models
from rsn_mm.downloads import OPENMMLAB, DownloadError, fetch, hash_digits, is_address, place_of
from rsn_mm.model_index import WEIGHTS, entries, full_name, weights_of

CONFIGS = Path(__file__).parents[2] / 'configs'
ADDRESS = re.compile(r'https://download\.openmmlab\.com/mmpose/[\w./-]+\.pth')


class Answer(NamedTuple):  # as in tests/loopback.py
    content: bytes
    sent: Any = None
    delay: float = 0.
    silence: float = 0.
    status: int = 200


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch_home'))


@pytest.fixture
def serve_weights(loopback, monkeypatch: pytest.MonkeyPatch):
    """Call it with a state dict: the weights' address, named as OpenMMLab names them, on a server of this machine."""

    def serve(state: Dict[str, Any]) -> str:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        digits = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
        path = f'/mmpose/tiny-{digits}_20260101.pth'
        server = loopback({path: Answer(buffer.getvalue())})
        monkeypatch.setenv('RSN_MM_MIRROR', server.address)
        return OPENMMLAB + path

    return serve


@pytest.mark.parametrize('name, stands_for', [
    ('rsn50', 'rsn50_coco_256x192'), ('rsn_mm::rsn50', 'rsn50_coco_256x192'), ('4xrsn50_prm', '4xrsn50_prm_coco_256x192'),
    ('rsn18_coco_256x192', 'rsn18_coco_256x192'), (SHIPPED, SHIPPED), ('rsn18.py', 'rsn18_coco_256x192')])
def test_the_usual_ending_may_be_left_out(name: str, stands_for: str) -> None:
    found, expected = find_model(name), find_model(f'{stands_for}.py')
    assert found.config.filename == expected.config.filename and Path(found.config.filename).stem == stands_for
    assert found.weights == expected.weights == weights_of(stands_for)


@pytest.mark.parametrize('address', ['s3://bucket/a.pth', 'cluster:s3://bucket/a.pth', 'petrel://a.pth'])
def test_weights_in_a_store_that_cannot_be_read_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match=f"weights='{address}' is in a store .* Copy the file from there and give its path"):
        find_weights('weights', address, None, False)


def test_every_model_has_a_row_with_a_name_that_leads_back_to_it() -> None:
    rows = {row.name: row for row in all_models()}
    assert set(rows) == set(entries()) | set(DETECTORS)
    assert all(full_name(row.short) == row.name for row in rows.values())
    assert len({row.short for row in rows.values()}) == len(rows)


@pytest.mark.parametrize('name', {entry['Metadata']['Training Data']: name for name, entry in entries().items()}.values())
def test_joints_are_those_of_the_config(name: str) -> None:
    row, = (row for row in all_models() if row.name == name)
    assert Config.fromfile(CONFIGS / f'{name}.py').model.head.out_channels == row.joints


def test_numbers_tell_whose_they_are() -> None:
    rows = {row.short: row for row in all_models()}
    assert (rows['rsn50'].result, rows['rsn50'].whose) == ('72.4 AP on val2017', 'MMPose')
    assert (rows['4xrsn50'].result, rows['4xrsn50'].whose) == ('78.6 AP on val2017', 'the paper')
    assert rows[SHIPPED].whose == 'this project' and rows['densenet18'].result == ''


def test_addresses_are_openmmlabs_with_a_hash_in_the_name() -> None:
    addresses = [row.weights for row in all_models() if row.weights and is_address(row.weights)]
    assert len(addresses) >= 8 and all(ADDRESS.fullmatch(address) and hash_digits(address) for address in addresses)


def test_the_detectors_are_those_of_mmpose() -> None:
    from mmpose.apis.inferencers.utils.default_det_models import default_det_models
    assert DETECTORS['rtmdet_m_person'].weights == default_det_models['human']['weights']
    for name, detector in DETECTORS.items():
        assert (Path(mmpose.__file__).parent / '.mim' / detector.config).is_file()
        found = find_model(name, 'mmdet')
        assert found.weights == detector.weights and found.config.model.bbox_head.num_classes == 1
        assert f'{found.config.test_dataloader.dataset.pipeline[1].scale[0]}x' in detector.input_size
    assert default_detector('cpu') == 'rtmdet_nano_person' and default_detector('cuda:1') == 'rtmdet_m_person'


def test_states_and_sizes(monkeypatch: pytest.MonkeyPatch) -> None:

    def row(name: str) -> Model:
        return next(row for row in all_models() if row.name == name)

    assert row(SHIPPED).state == 'in the package'
    assert row(SHIPPED).num_bytes == (WEIGHTS / f'{SHIPPED}.safetensors').stat().st_size
    assert row('rsn101_coco_256x192').state == 'none yet' and row('rsn101_coco_256x192').num_bytes is None
    rsn50 = row('rsn50_coco_256x192')
    assert rsn50.state == 'to be downloaded' and 70e6 < rsn50.num_bytes < 90e6
    path = place_of(rsn50.weights)
    path.parent.mkdir(parents=True)
    path.write_bytes(b'12345')
    assert row('rsn50_coco_256x192').state == 'downloaded' and row('rsn50_coco_256x192').num_bytes == 5


def test_a_cpu_takes_less_than_a_gpu_and_the_package_comes_last() -> None:
    cpu, gpu = usable_models('cpu'), usable_models('cuda')
    assert cpu[0] == 'rsn50_coco_256x192' and gpu[0] == '4xresnet50_coco_256x192'
    assert cpu[-1] == gpu[-1] == SHIPPED and set(cpu) < set(gpu)


def test_without_a_network_the_best_at_hand_is_taken(caplog) -> None:
    assert take_model('cpu') == SHIPPED
    assert f'{SHIPPED} is taken in the place of rsn50_coco_256x192: ' in caplog.text and 'under the name' in caplog.text
    for name in ('rsn18_coco_256x192', 'rsn50_coco_256x192'):
        path = place_of(weights_of(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        caplog.clear()
        assert take_model('cpu') == name
    assert caplog.text == ''


def test_weights_by_name_are_downloaded_and_used(tiny, pictures, serve_weights, monkeypatch: pytest.MonkeyPatch) -> None:
    address = serve_weights(torch.load(tiny.weights))
    monkeypatch.setattr('rsn_mm.apis.pose_models.find_model', lambda name: (Config.fromfile(tiny.config), address))
    boxes = np.array([[10, 5, 80, 110]])
    result, = PoseInferencer('tiny', device='cpu')(pictures[0], boxes=boxes)
    expected, = PoseInferencer(*tiny, device='cpu')(pictures[0], boxes=boxes)
    np.testing.assert_array_equal(result.keypoints, expected.keypoints)
    assert place_of(address).is_file()


def test_code_in_weights_from_the_network_does_not_run(tiny, serve_weights, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:

    class Malicious:

        def __reduce__(self):
            return Path.touch, (tmp_path / 'ran', )

    address = serve_weights(dict(state_dict={}, meta=Malicious()))
    monkeypatch.setattr('rsn_mm.apis.pose_models.find_model', lambda name: (Config.fromfile(tiny.config), address))
    with pytest.raises(ValueError, match='is refused'):
        load_pose_model('tiny', device='cpu')
    assert not (tmp_path / 'ran').exists()


def test_random_weights_ask_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('rsn_mm.apis.configs.fetch', lambda url: pytest.fail('downloads'))
    assert find_model('rsn18').weights is not None
    monkeypatch.setattr('rsn_mm.apis.pose_models.usable_models', lambda device: ['rsn18'])
    assert load_pose_model(None, device='cpu', random_weights=True).name == 'rsn18'


def test_weights_of_a_model_that_is_not_named(tiny) -> None:
    with pytest.raises(ValueError, match="weights='.*' is for a model that is not named. Give pose"):
        PoseInferencer(weights=tiny.weights)
    with pytest.raises(ValueError, match='det_weights=.* is for a detector that is not named. Give det'):
        PoseInferencer(*tiny, det_weights='d.pth')


def test_without_a_detector_nothing_is_guessed(tiny, pictures: List[np.ndarray]) -> None:
    inferencer = PoseInferencer(*tiny, device='cpu')
    with pytest.raises(NoDetectorError) as raised:
        inferencer(pictures[0])
    text = str(raised.value)
    assert all(part in text for part in ('rtmdet_nano', 'cannot be downloaded from', 'under the name', '--boxes FILE',
                                         "det='whole'", '--det whole'))
    assert len(next(inferencer(pictures[0], boxes=[[[10, 5, 80, 110]]]))) == 1, 'given boxes need none'


def test_the_detector_finds_people_when_nothing_else_is_said(tiny, tiny_detector, pictures, serve_weights,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    address = serve_weights(torch.load(tiny_detector[1]))
    own = zoo.PersonDetector(tiny_detector[0], address, '64x64', 1)  # an absolute path stands for itself below .mim, too
    monkeypatch.setitem(DETECTORS, 'rtmdet_nano_person', own)
    inferencer = PoseInferencer(*tiny, device='cpu', box_threshold=0.01, nms_threshold=0.5)
    result, = inferencer(pictures[0])
    expected, = PoseInferencer(*tiny, *tiny_detector, device='cpu', box_threshold=0.01, nms_threshold=0.5)(pictures[0])
    assert len(result) > 1
    np.testing.assert_array_equal(result.boxes, expected.boxes)


def test_one_who_fills_the_picture_is_said(tiny, pictures: List[np.ndarray]) -> None:
    result, = PoseInferencer(*tiny, 'whole', device='cpu')(pictures[0])
    assert result.boxes.tolist() == [[0, 0, *pictures[0].shape[1::-1]]]
    with pytest.raises(ValueError, match='det_weights'):
        load_detector('whole', 'd.pth', 'cpu')


def test_a_named_detector_without_a_network_says_where_to_put_the_file() -> None:
    with pytest.raises(DownloadError, match='rtmdet_m.* under the name'):
        load_detector('rtmdet_m_person', None, 'cpu')


def test_a_warning_is_no_print(caplog, capsys) -> None:
    with caplog.at_level(logging.WARNING):
        take_model('cpu')
    assert capsys.readouterr().out == ''
    with pytest.raises(DownloadError):
        fetch(DETECTORS['rtmdet_m_person'].weights)


@pytest.mark.parametrize('text, message', [
    ('a = (', 'cannot be read: SyntaxError'), ('1 / 0', 'cannot be read: ZeroDivisionError'),
    ('_base_ = "none.py"', 'cannot be read: FileNotFoundError'), ('', 'has no model and no test_dataloader'),
    ('model = dict(type="TopdownPoseEstimator")', 'has no test_dataloader')])
def test_configs_that_cannot_be_used(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / 'own.py').write_text(text)
    with pytest.raises(ValueError, match=f"The config '.*own.py' {message}"):
        load_pose_model(str(tmp_path / 'own.py'), device='cpu', random_weights=True)


@pytest.mark.parametrize('name, message', [
    ('photo.png', 'cannot be read'), ('folder.py', 'is a folder'), ('::', "'' cannot be imported")])
def test_what_is_no_config(name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photo.png').touch()
    (tmp_path / 'folder.py').mkdir()
    with pytest.raises(ValueError, match=message):
        find_model(name)


@pytest.mark.parametrize('device', ['gpu', 'cuda:99', 'mps', 2.5])
def test_devices_that_are_not_there(device: Any) -> None:
    with pytest.raises(ValueError, match=f"device={device!r} is not .*'cpu'"):
        load_pose_model(SHIPPED, device=device)


@pytest.mark.parametrize('argument', ['box_threshold', 'nms_threshold'])
@pytest.mark.parametrize('value', ['0.3', float('nan'), True, None])
def test_thresholds_are_numbers(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f'{argument}={value!r} must be a number'):
        PoseInferencer(SHIPPED, device='cpu', **{argument: value})


@pytest.mark.parametrize('argument, value', [('flip_test', 'no'), ('random_weights', 1)])
def test_flags_are_true_or_false(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f'{argument}={value!r} must be True or False'):
        PoseInferencer(SHIPPED, device='cpu', **{argument: value})


@pytest.mark.parametrize('argument, value', [('track', 'no'), ('overlays', 0), ('keep_images', None), ('progress', 'yes')])
def test_flags_of_a_call_are_true_or_false(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f'{argument}={value!r} must be True or False'):
        PoseInferencer(SHIPPED, device='cpu', det='whole')('nowhere.jpg', **{argument: value})
