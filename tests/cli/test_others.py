"""``rsn-mm info``, ``benchmark``, ``export``, and the command as a whole."""
import json
import re
import shutil
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest

import rsn_mm
from rsn_mm import compat
from rsn_mm.apis import PoseInferencer
from rsn_mm.apis.quiet import quiet_loading
from rsn_mm.apis.zoo import SHIPPED
from rsn_mm.cli.arguments import PRECISIONS, RUNTIMES
from rsn_mm.cli.main import SUBCOMMANDS, build_parser, main

from .. import warm


def test_info_tells_versions_adapters_and_runtimes(capsys) -> None:
    assert main(['info', '--json']) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts['rsn_mm'] == rsn_mm.__version__ and 'torch' in facts['packages']
    assert facts['adapters'] == compat.active() and facts['runtimes']['torch'] == 'installed'
    assert main(['info']) == 0
    text = capsys.readouterr().out
    assert all(f'{name}: ' in text for name in (*compat.active(), 'torch', 'numpy', 'cores'))


def test_benchmark_of_a_video_prints_frames_a_second_and_latency(tiny, video, capsys) -> None:
    assert main(['benchmark', '--pose', tiny.config, '--random-weights', '--device', 'cpu', '--det', 'whole',
                 '--det-every', '5', '--track', '--video', str(video)]) == 0
    printed = capsys.readouterr().out
    assert ', tracked' in printed
    assert re.search(r'frames/s, 1\.0 people a frame', printed) and re.search(r'\d+ ms from a frame to its joints', printed)


def test_a_reader_who_has_seen_enough_gets_no_error() -> None:
    process = subprocess.Popen([sys.executable, '-m', 'rsn_mm.cli', 'models', '--json'], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b'' and process.wait() == 1
    process.stderr.close()


def test_benchmark_prints_milliseconds(tiny, capsys) -> None:
    assert main(['benchmark', '--pose', tiny.config, '--random-weights', '--device', 'cpu', '--people', '2', '--frames',
                 '3']) == 0
    assert 'ms a person' in capsys.readouterr().out


def test_export_and_predict_with_the_file(tiny, folder: Path, tmp_path: Path, capsys,
                                          monkeypatch) -> None:
    pytest.importorskip('onnxscript')
    pytest.importorskip('onnxruntime')
    path = tmp_path / 'tiny.onnx'
    model = ['--pose', tiny.config, '--weights', tiny.weights]
    assert main(['export', str(path), *model]) == 0
    assert 'crops of 48x64 px' in capsys.readouterr().out
    picture = cv2.imread(str(folder / '0.png'))
    boxes = np.array([[10, 5, 80, 110], [60, 20, 120, 100]], np.float32)
    expected, = PoseInferencer(*tiny, device='cpu')(picture, boxes=boxes)
    result, = PoseInferencer(str(path), device='cpu')(picture, boxes=boxes)
    np.testing.assert_allclose(result.keypoints, expected.keypoints, atol=0.05)
    assert result.keypoint_names == expected.keypoint_names and result.skeleton == expected.skeleton
    with pytest.raises(ValueError, match='has its weights inside'):
        PoseInferencer(str(path), tiny.weights)

    # The float32 file again, without waiting for the exporter.
    monkeypatch.setattr('rsn_mm.deploy.export_onnx', lambda model, out, **options: shutil.copy(path, out))
    assert main(['export', str(tmp_path / 'int8.onnx'), *model, '--int8', str(folder)]) == 0
    assert 'int8' in capsys.readouterr().out
    small, = PoseInferencer(str(tmp_path / 'int8.onnx'), device='cpu')(picture, boxes=boxes)
    assert np.isfinite(small.keypoints).all() and np.abs(small.scores - expected.scores).max() < 0.2


@pytest.mark.parametrize('arguments, message', [
    (['export', 'a.pth', '--random-weights'], r'does not end in .onnx'),
    (['export', 'nowhere/a.onnx', '--pose', 'no_such_model'], "The folder of FILE.onnx='nowhere/a.onnx' does not exist"),
    (['export', 'a.onnx', '--random-weights', '--int8-boxes', 'b.json'], 'is for --int8'),
    (['export', 'a.onnx', '--random-weights', '--precision', 'int8'], 'needs pictures that show'),
    (['export', 'a.onnx', '--random-weights', '--precision', 'float16', '--int8', 'b'], 'Leave one of them out'),
    (['export', 'a.onnx', '--random-weights', '--precision', 'bfloat16'], "which has 'float32', 'float16'"),
    (['benchmark', '--random-weights', '--precision', 'int8'], 'int8 is for files that hold it'),
    (['export', 'a.onnx', '--pose', 'rsn101'], 'weights is missing'),
    (['benchmark', '--pose', 'rsn19_coco'], 'Near names'),
    (['benchmark', '--video', 'nowhere.mp4'], "--video='nowhere.mp4' is no video"),
])
def test_wrong_usage(arguments, message: str, capsys) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_help_of_every_subcommand(capsys) -> None:
    for name in SUBCOMMANDS:
        with pytest.raises(SystemExit) as exited:
            build_parser().parse_args([name, '--help'])
        assert exited.value.code == 0
        text = capsys.readouterr().out
        assert 'exit codes' in text and (import_module(f'rsn_mm.cli.{name}').__doc__ or 'x').splitlines()[0] in text


def test_the_script_leads_here_and_runtimes_are_those_of_deploy(config_dir: Path) -> None:
    project = (config_dir.parent / 'pyproject.toml').read_text()
    assert '[project.scripts]\nrsn-mm = "rsn_mm.cli.__main__:run_as_process"\n' in project
    from rsn_mm.deploy import PRECISIONS as known_precisions
    from rsn_mm.deploy.runtimes import RUNTIMES as known
    assert RUNTIMES == known and PRECISIONS == known_precisions


def run_command(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, '-X', 'importtime', '-m', 'rsn_mm.cli', *arguments], capture_output=True, text=True)


def test_help_waits_for_nothing_heavy() -> None:
    done = run_command('--help')
    imported = {line.rsplit('|')[-1].strip().partition('.')[0] for line in done.stderr.splitlines()}
    assert done.returncode == 0 and 'predict' in done.stdout
    assert imported.isdisjoint({'torch', 'numpy', 'cv2', 'mmengine', 'mmcv', 'mmpose', 'yaml', 'tqdm', 'filelock', 'http'})


def test_predict_is_quiet_and_verbose_is_not(folder: Path) -> None:
    arguments = ['predict', str(folder / '0.png'), '--pose', SHIPPED, '--det', 'whole', '--no-progress']
    quiet, verbose = (subprocess.run([warm.python(), '-m', 'rsn_mm.cli', *arguments, *more], capture_output=True, text=True)
                      for more in ([], ['--verbose']))
    assert (quiet.stdout, quiet.stderr) == ('', '1 poses of 1 frames; 0 inputs and 0 boxes skipped\n')
    assert 'Loads checkpoint by' in verbose.stdout
    assert all(part in verbose.stderr for part in ('adapters in use: ', 'metainfo config file', '1 poses of 1 frames'))


def test_lines_that_say_that_something_is_wrong_come_through(capsys) -> None:
    with pytest.warns(UserWarning) as warned, quiet_loading('names are not saved'):
        print('Loads checkpoint by local backend from path: a.pth')
        print('The model and loaded state dict do not match exactly')
        warnings.warn('something is wrong', stacklevel=1)
        warnings.warn('The metainfo config file "a.py" does not exist.', stacklevel=1)
        warnings.simplefilter('once')  # as MMDetection does
        warnings.warn('checkpoint is None, use COCO classes by default.', stacklevel=1)
        warnings.warn('names are not saved', stacklevel=1)
    assert [str(one.message) for one in warned] == ['something is wrong']
    assert capsys.readouterr().out == 'The model and loaded state dict do not match exactly\n'


def test_a_working_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (tmp_path / 'gone').mkdir()
    monkeypatch.chdir(tmp_path / 'gone')
    (tmp_path / 'gone').rmdir()
    assert main(['info']) == 2 and 'no longer exists' in capsys.readouterr().err
