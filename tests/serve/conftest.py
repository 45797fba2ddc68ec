"""Two tiny models behind the application, and pictures in every format that it takes."""
import importlib.util
from pathlib import Path
from typing import Any, Callable, Dict

import cv2
import numpy as np
import pytest

pytest.importorskip('starlette')
pytest.importorskip('httpx')

from starlette.testclient import TestClient  # noqa: E402

from rsn_mm.apis import PoseInferencer  # noqa: E402
from rsn_mm.serve.app import make_app  # noqa: E402
from rsn_mm.serve.guard import Guard  # noqa: E402
from rsn_mm.serve.limits import Limits  # noqa: E402
from rsn_mm.serve.workers import PersonDetector, PoseWorker  # noqa: E402
from rsn_mm.synthetic import draw_picture  # noqa: E402

_SPEC = importlib.util.spec_from_file_location('apis_conftest', Path(__file__).parents[1] / 'apis' / 'conftest.py')
_FIXTURES = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_FIXTURES)

tiny, inferencer = _FIXTURES.tiny, _FIXTURES.inferencer
LIMITS = Limits(upload_bytes=200_000, pixels=200_000, waiting=2, upload_seconds=2.)
MODELS = ('tiny', 'the same')


@pytest.fixture(scope='session')
def app_of(inferencer: PoseInferencer) -> Callable[..., Guard]:
    """Make the application of two models, with what is given in place of its parts."""

    def make(detector: Any = None, limits: Limits = LIMITS, **options: Any) -> Guard:
        shared = None if detector is None else PersonDetector(detector)
        workers = [PoseWorker(name, inferencer, shared, limits) for name in MODELS]
        return make_app(workers, detector is not None, limits, **options)

    return make


@pytest.fixture(scope='session')
def client_of(app_of: Callable[..., Guard]) -> Callable[..., TestClient]:
    """A client of the application; a fault of the server comes as status 500."""

    def make(**options: Any) -> TestClient:
        return TestClient(app_of(**options), base_url='http://localhost:8000', raise_server_exceptions=False)

    return make


@pytest.fixture(scope='session')
def client(client_of: Callable[..., TestClient]) -> TestClient:
    return client_of()


@pytest.fixture(scope='session')
def picture() -> np.ndarray:
    """Drawn people, (H, W, 3) uint8 BGR."""
    return draw_picture('val', 2, seed=1, size_wh=(160, 120))[0]


@pytest.fixture(scope='session')
def encoded(picture: np.ndarray) -> Dict[str, bytes]:
    """The picture as a file, by the suffix of its format."""
    return {suffix: cv2.imencode(suffix, picture)[1].tobytes() for suffix in ('.jpg', '.png', '.webp', '.bmp')}
