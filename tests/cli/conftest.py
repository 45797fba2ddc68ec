"""The fixtures of the inferencer's tests."""
import importlib.util
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location('apis_conftest', Path(__file__).parents[1] / 'apis' / 'conftest.py')
_FIXTURES = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_FIXTURES)

tiny, pictures, folder, video = _FIXTURES.tiny, _FIXTURES.pictures, _FIXTURES.folder, _FIXTURES.video
