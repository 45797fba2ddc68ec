"""``rsn-mm predict``: files, exit codes, and what Ctrl-C leaves."""
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import List

import cv2
import pytest

from rsn_mm.cli.main import main

from ..conftest import hears_ctrl_c


def predict(tiny, *arguments: object) -> int:
    model = ['--pose', tiny.config, '--weights', tiny.weights, '--det', 'whole', '--device', 'cpu', '--no-progress']
    return main(['predict', *map(str, arguments), *model])


def images_of(out: Path) -> List[dict]:
    return json.loads((out / 'predictions.json').read_text())['images']


def test_everything_goes_well(tiny, folder: Path, video: Path, tmp_path: Path, capsys) -> None:
    assert predict(tiny, folder, video, '--out', tmp_path / 'out') == 0
    assert len(images_of(tmp_path / 'out')) == 15
    assert (tmp_path / 'out' / 'clip.mp4').is_file() and (tmp_path / 'out' / '0.png').is_file()
    assert '15 poses of 15 frames' in capsys.readouterr().err


def test_skipped_inputs_are_counted_and_tell_by_the_exit_code(tiny, folder: Path, tmp_path: Path, capsys) -> None:
    (folder / '2.png').write_bytes(b'')
    assert predict(tiny, folder, '--out', tmp_path / 'out', '--no-overlays') == 1
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['predictions.json']
    assert len(images_of(tmp_path / 'out')) == 4
    assert '1 inputs and 0 boxes skipped' in capsys.readouterr().err


def test_boxes_from_a_file(tiny, folder: Path, tmp_path: Path, capsys) -> None:
    boxes = [dict(image_id=1, category_id=1, bbox=[10, 5, 40, 60], score=0.9)] * 2 + [
        dict(image_id=3, category_id=1, bbox=[10, 5, 0, 60], score=0.9)]
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    assert predict(tiny, folder, '--boxes', tmp_path / 'boxes.json') == 1
    assert '2 poses of 5 frames; 0 inputs and 1 boxes skipped' in capsys.readouterr().err


@pytest.mark.parametrize('arguments, message', [
    (['{}/nowhere'], 'does not exist'),
    (['{}/*.webp'], 'No file matches'),
    (['{}', '--out', '{}'], 'is the folder of the input'),
    (['{}', '--boxes', '{}/none.json'], 'none.json'),
])
def test_wrong_usage(tiny, folder: Path, arguments: List[str], message: str, capsys) -> None:
    assert predict(tiny, *(argument.format(folder) for argument in arguments)) == 2
    assert message in capsys.readouterr().err


def test_weights_are_asked_for(tiny, folder: Path, capsys) -> None:
    assert main(['predict', str(folder), '--pose', tiny.config]) == 2
    assert '--random-weights' in capsys.readouterr().err
    assert main(['predict', str(folder), '--pose', tiny.config, '--random-weights', '--det', 'whole',
                 '--no-progress']) == 0


def test_near_names_are_listed(folder: Path, capsys) -> None:
    assert main(['predict', str(folder), '--pose', 'rsn18_coco_256x129']) == 2
    assert 'rsn18_coco_256x192' in capsys.readouterr().err


@pytest.mark.parametrize('arguments', [[], ['predict'], ['predict', 'a', '--batch-size', '0'],
                                       ['predict', 'a', '--runtime', 'x'], ['predict', 'a', '--det-every', '2.5'],
                                       *(['predict', 'a', '--smooth-strength', text] for text in ('0', 'nan', 'inf', 'x'))])
def test_argparse_errors_exit_with_2(arguments: List[str], capsys) -> None:
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    said = capsys.readouterr().err
    assert exited.value.code == 2 and 'usage' in said and 'invalid' not in said.replace('invalid choice', '')


def test_an_interrupt_ends_with_its_exit_code_wherever_it_comes(tmp_path: Path) -> None:
    (tmp_path / 'interrupted.py').write_text('''
import sys
from rsn_mm.cli import __main__ as command

def main():
    try:
        exec('raise KeyboardInterrupt')
    except KeyboardInterrupt:
        return 130

command.main = main
sys.exit(command.run_as_process())
''')
    assert subprocess.run([sys.executable, '-m', 'interrupted'], cwd=tmp_path).returncode == 130


def test_ctrl_c_leaves_whole_files(tiny, pictures, tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / 'long.avi'), cv2.VideoWriter_fourcc(*'XVID'), 10., (96, 72))
    frame = cv2.resize(pictures[0], (96, 72))
    for _ in range(5000):
        writer.write(frame)
    writer.release()
    out = tmp_path / 'out'
    process = subprocess.Popen(
        [sys.executable, '-m', 'rsn_mm.cli', 'predict', str(tmp_path / 'long.avi'), '--pose', tiny.config, '--weights',
         tiny.weights, '--det', 'whole', '--out', str(out), '--batch-size', '1'], stderr=subprocess.PIPE, text=True,
        preexec_fn=hears_ctrl_c)
    while process.poll() is None and not list(out.glob('.long*')):
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert 'interrupted' in errors and 'Traceback' not in errors
    images = images_of(out)
    capture = cv2.VideoCapture(str(out / 'long.mp4'))
    assert 0 < len(images) < 20000
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == len(images)
    assert sorted(path.name for path in out.iterdir()) == ['long.mp4', 'predictions.json']
