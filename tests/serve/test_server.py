"""``rsn-mm serve``: models by name, the address, and Ctrl-C."""
import logging
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from rsn_mm.cli.main import main
from rsn_mm.serve.server import ModelArgument, is_this_machine_only, make_server, open_socket, parse_models, url_of

from ..conftest import hears_ctrl_c


def test_models_are_named_as_shortly_as_tells_them_apart() -> None:
    assert parse_models(['rsn18=w/a=b.pth', 'x/other.onnx']) == [ModelArgument('rsn18', 'rsn18', 'w/a=b.pth'),
                                                               ModelArgument('other', 'x/other.onnx', None)]
    assert [model.name for model in parse_models(['rsn18=a.pth', 'rsn18=b.pth', 'c'])] == ['rsn18=a.pth', 'rsn18=b.pth', 'c']


@pytest.mark.parametrize('arguments', [[''], ['=a.pth'], ['rsn18='], ['a.onnx', 'a.onnx']])
def test_arguments_that_name_no_model(arguments: list) -> None:
    with pytest.raises(ValueError, match='names no model|given twice'):
        parse_models(arguments)


@pytest.mark.parametrize('host, expected', [('127.0.0.1', True), ('127.1.2.3', True), ('::1', True), ('localhost', True),
                                            ('0.0.0.0', False), ('::', False), ('192.168.1.2', False), ('pose.example', False)])
def test_addresses_of_this_machine(host: str, expected: bool) -> None:
    assert is_this_machine_only(host) is expected


def test_sockets() -> None:
    with open_socket('127.0.0.1', 0) as listening:
        port = listening.getsockname()[1]
        assert url_of(listening) == f'http://127.0.0.1:{port}/'
        with pytest.raises(OSError, match='--port'):
            open_socket('127.0.0.1', port)
    with pytest.raises(ValueError, match='65535'):
        open_socket('127.0.0.1', 70000)


def test_log_files_of_others_stay_open(app_of, tmp_path) -> None:
    handler = logging.FileHandler(tmp_path / 'training.log')
    try:
        make_server(app_of())
        assert handler.stream is not None, 'a server that is made closed it'
    finally:
        handler.close()


def test_wrong_usage(tiny, capsys) -> None:
    assert main(['serve', 'rsn101', '--det', 'whole', '--port', '0']) == 2
    assert 'weights is missing' in capsys.readouterr().err
    with socket.create_server(('127.0.0.1', 0)) as taken:
        assert main(['serve', f'{tiny.config}={tiny.weights}', '--port', str(taken.getsockname()[1])]) == 1
    assert 'cannot be had' in capsys.readouterr().err


def test_ctrl_c_ends_cleanly(tiny, encoded) -> None:
    process = subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-m', 'rsn_mm.cli', 'serve', f'{tiny.config}={tiny.weights}', '--det', 'whole',
         '--device', 'cpu', '--host', '0.0.0.0', '--port', '0'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=hears_ctrl_c)
    try:
        announced = next(line for line in process.stdout if ' at http://0.0.0.0:' in line)  # MMEngine prints, too
        assert announced.startswith('1 models on cpu')
        url = announced.split(' at ')[1].split()[0].replace('0.0.0.0', '127.0.0.1')
        with urllib.request.urlopen(urllib.request.Request(f'{url}api/poses', data=encoded['.png'], method='POST')) as answer:
            assert answer.status == 200 and answer.headers['Server'] is None
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0 and output == 'Ended.\n'
    assert 'warning: whoever reaches 0.0.0.0' in errors and 'Traceback' not in errors
