"""Files are there whole or not at all."""
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from rsn_mm.files import check_working_folder, given_path, remove_unfinished, replacing, whole_or_not, write_whole


@pytest.fixture
def file_limit() -> Iterator[int]:
    """No file of this process can grow beyond so many bytes, as on a full disk."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, former[1]))
    yield 1 << 16
    resource.setrlimit(resource.RLIMIT_FSIZE, former)


def test_a_place_to_write_to_may_begin_with_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    write_whole('~/a/b', b'one')
    with whole_or_not('~/a/c') as unfinished:
        unfinished.write_bytes(b'two')
    with replacing('~/d/e') as file:
        file.write(b'three')
    assert sorted(str(path.relative_to('home')) for path in Path('home').rglob('*')) == ['a', 'a/b', 'a/c', 'd', 'd/e']
    for name in ('a' * 300, 'a\0b'):
        with pytest.raises(ValueError, match='path=.* cannot be a path here'), whole_or_not(name):
            pass


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


def test_a_path_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert given_path('out', '~/poses') == tmp_path / 'poses' and given_path('out', 'none/such') == Path('none/such')
    (tmp_path / '~photo.jpg').touch()  # and a name of its own
    assert given_path('input', '~photo.jpg') == Path('~photo.jpg')


@pytest.mark.parametrize('value, error, message', [
    (5, TypeError, 'of type int'), (None, TypeError, 'of type NoneType'), (b'a', TypeError, 'of type bytes'),
    ('a' * 999, ValueError, 'File name too long'), ('a\0b', ValueError, 'null byte'),
    ('~nobody-has-this/a', ValueError, 'home'),
    ('loop', ValueError, 'symbolic links')])
def test_what_no_path_can_be(value: Any, error: type, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'loop').symlink_to('loop')
    with pytest.raises(error, match=f'^out=.*{message}.*Give a'):
        given_path('out', value)


def test_a_working_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'gone').mkdir()
    monkeypatch.chdir(tmp_path / 'gone')
    check_working_folder()
    (tmp_path / 'gone').rmdir()
    import rsn_mm.apis
    monkeypatch.delitem(sys.modules, 'torch', raising=False)  # as where nothing has loaded math libraries yet
    for ask in (check_working_folder, lambda: rsn_mm.apis.PoseInferencer):
        with pytest.raises(FileNotFoundError, match='no longer exists. Change into another one'):
            ask()
