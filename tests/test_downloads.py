"""Downloads from a server on this machine: whole and right or not there, whatever the server or the process does."""
import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, List, NamedTuple

import pytest

from rsn_mm import downloads
from rsn_mm.downloads import DownloadError, checkpoint_folder, fetch, hash_digits, place_of

CONTENT = bytes(range(256)) * 4096  # 1 MiB
DIGITS = hashlib.sha256(CONTENT).hexdigest()[:8]
NAME = f'td-hm_rsn50_coco-256x192-{DIGITS}_20221013.pth'


class Answer(NamedTuple):  # as in loopback.py
    content: bytes
    sent: Any = None
    delay: float = 0.
    silence: float = 0.
    status: int = 200


def visible(folder: Path) -> List[str]:
    """Files of a folder without those that hold locks."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != '.lock')


def test_a_file_is_downloaded_once(loopback, tmp_path: Path, capsys) -> None:
    server = loopback({f'/a/{NAME}': Answer(CONTENT)})
    path = fetch(f'{server.address}/a/{NAME}', tmp_path)
    assert path == tmp_path / NAME and path.read_bytes() == CONTENT and NAME in capsys.readouterr().err
    assert fetch(f'{server.address}/a/{NAME}', tmp_path, progress=False) == path and server.asked == [f'/a/{NAME}']
    assert visible(tmp_path) == [NAME] and capsys.readouterr().err == ''


def test_it_lies_where_pytorch_keeps_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    assert checkpoint_folder() == Path(torch.hub.get_dir()) / 'checkpoints' == tmp_path / 'home/hub/checkpoints'
    monkeypatch.delitem(sys.modules, 'torch')
    assert checkpoint_folder() == tmp_path / 'home/hub/checkpoints'
    monkeypatch.delenv('TORCH_HOME')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    assert checkpoint_folder() == tmp_path / 'cache/torch/hub/checkpoints'
    assert place_of('https://a.org/b/c%20d.pth?e=f') == checkpoint_folder() / 'c d.pth'


@pytest.mark.parametrize('answer, name, reason', [
    (Answer(CONTENT), 'm-00000000_20221013.pth', f'its SHA-256 begins with {DIGITS}, its name says 00000000'),
    (Answer(CONTENT, sent=1000), NAME, 'broke off after 1000 of 1048576 bytes'),
    (Answer(CONTENT, sent=0), 'no_hash.pth', 'broke off after 0 of 1048576 bytes'),
    (Answer(b'', status=404), NAME, 'the server answers 404 Not Found'),
    (Answer(b'', status=503), NAME, 'the server answers 503 Service Unavailable'),
    (Answer(CONTENT, delay=5.), NAME, 'sends nothing for 0.3 s'),
    (Answer(CONTENT, sent=1000, silence=5.), NAME, 'sends nothing for 0.3 s'),
])
def test_what_is_not_whole_and_right_is_not_there(loopback, tmp_path: Path, monkeypatch, answer: Answer, name: str,
                                                  reason: str) -> None:
    monkeypatch.setattr(downloads, 'TIMEOUT', 0.3)
    server = loopback({f'/{name}': answer})
    with pytest.raises(DownloadError) as raised:
        fetch(f'{server.address}/{name}', tmp_path, progress=False)
    text = str(raised.value)
    assert reason in text and f'{server.address}/{name}' in text
    assert f'put it into {str(tmp_path)!r} under the name {name!r}' in text and 'RSN_MM_MIRROR' in text
    assert visible(tmp_path) == []


def test_a_slow_server_is_waited_for(loopback, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(downloads, 'TIMEOUT', 2.)
    server = loopback({f'/{NAME}': Answer(CONTENT, delay=0.3, silence=0.2)})
    assert fetch(f'{server.address}/{NAME}', tmp_path, progress=False).read_bytes() == CONTENT


@pytest.mark.parametrize('address', ['http://127.0.0.1:9/a.pth', 'http://no-such-host.invalid/a.pth'])
def test_without_a_network_one_error_says_what_to_do(tmp_path: Path, address: str) -> None:
    with pytest.raises(DownloadError, match=r"a\.pth cannot be downloaded from .*Download it elsewhere and put it into '.*'"):
        fetch(address, tmp_path)


def test_a_file_put_there_by_hand_is_taken(tmp_path: Path) -> None:
    (tmp_path / 'm-00000000.pth').write_bytes(b'by hand')
    assert fetch('http://127.0.0.1:9/m-00000000.pth', tmp_path).read_bytes() == b'by hand'


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(DownloadError, match=r"a.pth cannot be kept in '.*file/below': Not a directory.*TORCH_HOME"):
        fetch('http://127.0.0.1:9/a.pth', tmp_path / 'file' / 'below')


def test_a_full_disk_is_not_the_networks_fault(loopback, tmp_path: Path, monkeypatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(downloads.os, 'fsync', full)
    server = loopback({f'/{NAME}': Answer(CONTENT)})
    with pytest.raises(DownloadError, match='cannot be kept in .*: No space left on device. Name a folder') as raised:
        fetch(f'{server.address}/{NAME}', tmp_path, progress=False)
    assert 'Download it elsewhere' not in str(raised.value) and visible(tmp_path) == []


def test_a_mirror_takes_the_place_of_openmmlab_alone(loopback, tmp_path: Path, monkeypatch) -> None:
    mirror, other = loopback({f'/pub/mmpose/{NAME}': Answer(CONTENT)}), loopback({f'/{NAME}': Answer(CONTENT)})
    monkeypatch.setenv('RSN_MM_MIRROR', f'{mirror.address}/pub/')
    fetch(f'https://download.openmmlab.com/mmpose/{NAME}', tmp_path / 'a', progress=False)
    fetch(f'{other.address}/{NAME}', tmp_path / 'b', progress=False)
    assert mirror.asked == [f'/pub/mmpose/{NAME}'] and other.asked == [f'/{NAME}']


def test_of_two_at_once_one_downloads(loopback, tmp_path: Path, capsys) -> None:
    server = loopback({f'/{NAME}': Answer(CONTENT, delay=0.3)})
    found: List[Path] = []
    threads = [threading.Thread(target=lambda: found.append(fetch(f'{server.address}/{NAME}', tmp_path)))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / NAME] * 4 and len(server.asked) == 1
    assert capsys.readouterr().err.count('another process is downloading it') == 3


def test_a_killed_download_leaves_nothing_in_the_way(loopback, tmp_path: Path) -> None:
    """And the next one takes away what it left."""
    server = loopback({f'/a/{NAME}': Answer(CONTENT, sent=500_000, silence=60.), f'/b/{NAME}': Answer(CONTENT)})
    script = f'from rsn_mm.downloads import fetch; fetch({server.address!r} + "/a/{NAME}", {str(tmp_path)!r})'
    process = subprocess.Popen([sys.executable, '-c', script], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in tmp_path.glob('.*.part')) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / NAME).exists() and visible(tmp_path) != []
    assert fetch(f'{server.address}/b/{NAME}', tmp_path, progress=False).read_bytes() == CONTENT
    assert visible(tmp_path) == [NAME]


@pytest.mark.parametrize('name, digits', [
    ('td-hm_rsn50_8xb32-210e_coco-256x192-c35901d5_20221013.pth', 'c35901d5'),
    ('resnet18-5c106cde.pth', '5c106cde'), ('cid_hrnet-w32_42b7e6e6-20230207.pth', '42b7e6e6'),
    ('rtmw-dw-l-m_simcc-cocktail14_270e-256x192-20231122.pth', None), ('epoch_200.pth', None)])
def test_digits_of_the_hash_are_found_and_days_are_none(name: str, digits: str) -> None:
    assert hash_digits(name) == digits
