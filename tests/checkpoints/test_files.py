"""Files: read without running what they hold, in two formats, and written whole or not at all."""
import os
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from rsn_mm.checkpoints.files import convert_file, halve, read_weights, write_weights
from rsn_mm.checkpoints.safetensors_file import read_safetensors

TOOL = Path(__file__).parents[2] / 'tools' / 'convert_checkpoint.py'


@pytest.fixture
def stock_file(make_stock, tmp_path):
    """A checkpoint of stock MMPose as training leaves it, and its model."""
    stock = make_stock(2)
    path = str(tmp_path / 'stock.pth')
    meta = dict(dataset_meta=dict(sigmas=np.array([.1, .2]), names=('a', 'b')), epoch=3)
    torch.save(dict(state_dict=stock.state_dict(), meta=meta, optimizer=dict(state={}), message_hub={}), path)
    return path, stock


class RunsCode:

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target, )


class TestFormats:

    @pytest.mark.parametrize('name', ['ours.pth', 'ours.pt', 'ours.safetensors'])
    def test_load_from(self, stock_file, make_ours, assert_same_heatmaps, tmp_path, name):
        path, stock = stock_file
        assert convert_file(path, str(tmp_path / name)) == ('mmpose', len(stock.state_dict()))
        ours = make_ours(2)
        load_checkpoint(ours, str(tmp_path / name), map_location='cpu')
        assert_same_heatmaps(stock, ours)

    def test_stock_names_in_safetensors(self, stock_file, make_ours, assert_same_heatmaps, tmp_path):
        path, stock = stock_file
        convert_file(path, str(tmp_path / 'stock.safetensors'), target='mmpose')
        ours = make_ours(2)
        load_checkpoint(ours, str(tmp_path / 'stock.safetensors'))
        assert_same_heatmaps(stock, ours)

    def test_there_and_back_is_exact(self, stock_file, assert_same_tensors, tmp_path):
        path, stock = stock_file
        convert_file(path, str(tmp_path / 'ours.safetensors'))
        assert convert_file(str(tmp_path / 'ours.safetensors'), str(tmp_path / 'back.pth'), target='mmpose')[0] == 'ours'
        assert_same_tensors(stock.state_dict(), torch.load(tmp_path / 'back.pth', weights_only=True)['state_dict'])

    def test_meta_is_kept_and_training_state_is_not(self, stock_file, tmp_path):
        convert_file(stock_file[0], str(tmp_path / 'ours.pth'))
        checkpoint = CheckpointLoader.load_checkpoint(str(tmp_path / 'ours.pth'))
        assert sorted(checkpoint) == ['meta', 'state_dict']
        assert checkpoint['meta']['converted_from'] == 'mmpose'
        np.testing.assert_array_equal(checkpoint['meta']['dataset_meta']['sigmas'], [.1, .2])
        convert_file(stock_file[0], str(tmp_path / 'ours.safetensors'))
        assert read_safetensors(str(tmp_path / 'ours.safetensors'))['meta'] == dict(
            format='pt', epoch='3', converted_from='mmpose')

    def test_tensors_that_share_memory_and_views(self, tmp_path):
        whole = torch.arange(1000.)
        for name in ('a.pth', 'a.safetensors'):
            write_weights(str(tmp_path / name), dict(a=whole[:4], b=whole[:4], c=whole[:4].reshape(2, 2).T), {})
            assert os.path.getsize(tmp_path / name) < 3000
            state, _ = read_weights(str(tmp_path / name))
            assert state['a'].tolist() == state['b'].tolist() == [0, 1, 2, 3] and state['c'].tolist() == [[0, 2], [1, 3]]

    def test_dtypes(self, tmp_path):
        state = dict(a=torch.ones(2, dtype=torch.float16), b=torch.ones(1, dtype=torch.bfloat16), c=torch.tensor(7))
        for name in ('a.pth', 'a.safetensors'):
            write_weights(str(tmp_path / name), state, {})
            torch.testing.assert_close(read_weights(str(tmp_path / name))[0], state, rtol=0, atol=0)


class TestPublishing:

    def test_half_the_bytes_and_the_same_network(self, stock_file, make_ours, tmp_path):
        convert_file(stock_file[0], str(tmp_path / 'whole.safetensors'), bare=True)
        convert_file(stock_file[0], str(tmp_path / 'half.safetensors'), half=True, bare=True)
        whole, half = (read_weights(str(tmp_path / f'{name}.safetensors'))[0] for name in ('whole', 'half'))
        for name, tensor in whole.items():
            assert half[name].dtype == (torch.float16 if tensor.dim() == 4 else tensor.dtype)
            torch.testing.assert_close(half[name].to(tensor.dtype), tensor, rtol=1e-3, atol=1e-6)
        assert os.path.getsize(tmp_path / 'half.safetensors') < .6 * os.path.getsize(tmp_path / 'whole.safetensors')
        ours = make_ours(2)
        load_checkpoint(ours, str(tmp_path / 'half.safetensors'))
        assert {parameter.dtype for parameter in ours.parameters()} == {torch.float32}

    def test_bare_files_tell_nothing_of_the_training(self, stock_file, tmp_path):
        for name in ('bare.pth', 'bare.safetensors'):
            convert_file(stock_file[0], str(tmp_path / name), bare=True)
            assert set(read_weights(str(tmp_path / name))[1]) <= {'format'}

    def test_weights_too_large_for_half(self):
        with pytest.raises(ValueError, match="'a' has weights above 65,504"):
            halve(dict(a=torch.full((1, 1, 1, 1), 7e4)))
        assert halve(dict(a=torch.full((1, ), 7e4)))['a'].dtype == torch.float32

    def test_everybody_may_read(self, stock_file, tmp_path):
        for name in ('ours.pth', 'ours.safetensors'):
            convert_file(stock_file[0], str(tmp_path / name))
        (tmp_path / 'new').touch()
        assert {path.stat().st_mode for path in tmp_path.glob('ours.*')} == {(tmp_path / 'new').stat().st_mode}


class TestBadInput:

    @pytest.mark.parametrize('content', [dict(state_dict={}), dict(epoch=3), dict(state_dict={'a': 1}), [1, 2],
                                         dict(model={'a': [1.]}), {}])
    def test_no_tensors(self, tmp_path, content):
        torch.save(content, tmp_path / 'a.pth')
        with pytest.raises(ValueError, match="a.pth' (is no checkpoint of a model|holds a list, not a dict of weights)"):
            convert_file(str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth'))
        assert os.listdir(tmp_path) == ['a.pth']

    def test_no_whole_file(self, stock_file, tmp_path):
        convert_file(stock_file[0], str(tmp_path / 'whole.safetensors'))
        for name, source in (('half.safetensors', 'whole.safetensors'), ('half.pth', 'stock.pth')):
            content = (tmp_path / source).read_bytes()
            (tmp_path / name).write_bytes(content[:len(content) // 2])
            with pytest.raises(ValueError, match=f'{name}.* is not a whole'):
                convert_file(str(tmp_path / name), str(tmp_path / 'b.pth'))
        assert not (tmp_path / 'b.pth').exists()

    def test_no_file(self, tmp_path):
        for name in ('nowhere.pth', 'nowhere.safetensors'):
            with pytest.raises(FileNotFoundError, match=f"{name}' does not exist"):
                convert_file(str(tmp_path / name), str(tmp_path / 'b.pth'))

    def test_a_damaged_model_writes_nothing(self, stock_file, tmp_path):
        checkpoint = torch.load(stock_file[0], weights_only=False)
        del checkpoint['state_dict']['backbone.top.top.0.bn.weight']
        torch.save(checkpoint, tmp_path / 'stock.pth')
        (tmp_path / 'b.pth').write_text('as before')
        with pytest.raises(ValueError, match='1 tensors are missing'):
            convert_file(str(tmp_path / 'stock.pth'), str(tmp_path / 'b.pth'))
        assert (tmp_path / 'b.pth').read_text() == 'as before'

    def test_code_runs_only_if_trusted(self, stock_file, tmp_path):
        path, _ = stock_file
        checkpoint = torch.load(path, weights_only=False)
        torch.save(dict(checkpoint, hook=RunsCode(tmp_path / 'was_run')), path)
        with pytest.raises(ValueError, match='refused.*--trust'):
            convert_file(path, str(tmp_path / 'b.pth'))
        assert not (tmp_path / 'was_run').exists()
        convert_file(path, str(tmp_path / 'b.pth'), trust=True)
        assert (tmp_path / 'was_run').exists()

    def test_without_the_package(self, stock_file, tmp_path, monkeypatch):
        (tmp_path / 'a.safetensors').write_bytes(b'')
        monkeypatch.setitem(sys.modules, 'safetensors', None)
        with pytest.raises(ImportError, match='Remedy: pip install safetensors'):
            convert_file(stock_file[0], str(tmp_path / 'b.safetensors'))
        with pytest.raises(ImportError, match='Remedy: pip install safetensors'):
            CheckpointLoader.load_checkpoint(str(tmp_path / 'a.safetensors'))


class TestWriting:

    @pytest.mark.parametrize('target, message', [
        ('nowhere/b.pth', 'its folder must exist'), ('folder.pth', 'it must be a file'),
        ('b.onnx', 'names no format: give a file that ends in .pth, .pt, .safetensors'),
        ('stock.pth', 'is the file to convert')])
    def test_refused_before_reading(self, stock_file, tmp_path, monkeypatch, target, message):
        (tmp_path / 'folder.pth').mkdir()
        monkeypatch.setattr(torch, 'load', None)
        with pytest.raises((ValueError, OSError), match=message):
            convert_file(stock_file[0], str(tmp_path / target))

    @pytest.mark.parametrize('name, writer', [('b.pth', 'torch.save'),
                                              ('b.safetensors', 'rsn_mm.checkpoints.files.write_safetensors')])
    def test_a_full_disk_leaves_what_was_there(self, stock_file, tmp_path, monkeypatch, name, writer):

        def write_half(*arguments):
            path = next(argument for argument in arguments if isinstance(argument, str))
            Path(path).write_text('half')
            raise RuntimeError('No space left on device')

        monkeypatch.setattr(writer, write_half)
        (tmp_path / name).write_text('as before')
        with pytest.raises(OSError, match=f"{name}' cannot be written: No space left"):
            convert_file(stock_file[0], str(tmp_path / name))
        assert (tmp_path / name).read_text() == 'as before'
        assert sorted(os.listdir(tmp_path)) == sorted([name, 'stock.pth'])


class TestTool:

    def run(self, monkeypatch, *arguments):
        monkeypatch.setattr(sys, 'argv', ['convert_checkpoint.py', *arguments])
        runpy.run_path(str(TOOL), run_name='__main__')

    def test_converts(self, stock_file, tmp_path, monkeypatch, capsys):
        target = str(tmp_path / 'ours.safetensors')
        self.run(monkeypatch, stock_file[0], target, '--to', 'ours', '--from', 'mmpose')
        assert capsys.readouterr().out == f'{target}: {len(stock_file[1].state_dict())} tensors, from mmpose to ours\n'

    def test_one_line_says_what_is_wrong(self, tmp_path, monkeypatch):
        with pytest.raises(SystemExit, match="^convert_checkpoint: The checkpoint '.*nowhere.pth' does not exist[^\n]*$"):
            self.run(monkeypatch, str(tmp_path / 'nowhere.pth'), str(tmp_path / 'b.pth'))
