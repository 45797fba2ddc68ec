"""``pkgutil.find_loader`` where Python no longer has it."""
import importlib.machinery
import pkgutil

import pytest
from mmengine.utils.dl_utils import mmcv_full_available

from rsn_mm.compat import pkgutil_find_loader as adapter


def test_a_python_that_has_it_is_left_alone(monkeypatch):
    monkeypatch.setattr(pkgutil, 'find_loader', lambda fullname: None, raising=False)
    assert adapter.missing() is None


def test_mmengine_finds_the_ops_with_it(monkeypatch):
    monkeypatch.delattr(pkgutil, 'find_loader', raising=False)
    assert 'find_loader' in adapter.missing()
    with pytest.raises(AttributeError):
        mmcv_full_available()
    monkeypatch.setattr(pkgutil, 'find_loader', None, raising=False)  # so that it is put back afterwards
    adapter.install()
    assert mmcv_full_available()


def test_loaders():
    assert isinstance(adapter.find_loader('email.mime.text'), importlib.machinery.SourceFileLoader)
    assert adapter.find_loader('no_such_package') is None
    assert adapter.find_loader('email.no_such_module') is None


@pytest.mark.parametrize('name', ['no_such_package.module', 'json.decoder.module', '.relative', ''])
def test_names_that_cannot_be_looked_up(name):
    with pytest.raises(ImportError):
        adapter.find_loader(name)
