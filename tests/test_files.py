"""Files are there whole or not at all."""
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from rsn_mm.files import remove_unfinished, whole_or_not, write_whole


@pytest.fixture
def file_limit() -> Iterator[int]:
    """No file of this process can grow beyond so many bytes, as on a full disk."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, former[1]))
    yield 1 << 16
    resource.setrlimit(resource.RLIMIT_FSIZE, former)


def test_a_file_is_made_with_its_folder_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'a.pth'
    write_whole(path, b'one')
    write_whole(str(path), b'two')
    assert path.read_bytes() == b'two' and os.listdir(path.parent) == ['a.pth']


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, file_limit: int) -> None:
    path = tmp_path / 'a.pth'
    write_whole(path, b'one')
    with pytest.raises(OSError, match=r"a\.pth' cannot be written \(File too large\): it needs 2\.0 MiB, and [\d.]+ MiB are "
                                      r"free in .* What stood there is unchanged\. Make room"):
        write_whole(path, bytes(2 << 20))
    assert path.read_bytes() == b'one' and os.listdir(tmp_path) == ['a.pth']


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    for name in ('fsync', 'replace'):
        def note(*args: Any, do: Callable = getattr(os, name), name: str = name) -> None:
            steps.append(name)
            do(*args)
        monkeypatch.setattr(os, name, note)
    write_whole(tmp_path / 'a.pth', b'one')
    assert steps == ['fsync', 'replace', 'fsync']  # the file, its name, the folder that has the name


def test_an_exception_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('one')
    with pytest.raises(KeyError), whole_or_not(path) as unfinished:
        unfinished.write_text('half')
        raise KeyError
    assert path.read_text() == 'one' and os.listdir(tmp_path) == ['a.txt']


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(OSError, match="file/a.pth' cannot be written"):
        write_whole(tmp_path / 'file' / 'a.pth', b'')


def test_leftovers_of_dead_processes_are_removed_and_nothing_else(tmp_path: Path) -> None:
    program = subprocess.Popen([sys.executable, '-c', ''])
    program.wait()
    dead = program.pid
    gone = [f'.a.pth.{dead}.part', f'.b.pth.{os.getpid()}.part']
    kept = [f'.c.pth.{os.getppid()}.part', '.d.pth.part', f'e.pth.{dead}.part', 'f.pth']
    for name in gone + kept:
        (tmp_path / name).write_text('')
    (tmp_path / 'below').mkdir()
    (tmp_path / 'below' / gone[0]).write_text('')
    assert remove_unfinished(tmp_path) == 2
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, 'below']) and os.listdir(tmp_path / 'below') == gone[:1]
    assert remove_unfinished(tmp_path / 'nowhere') == 0
