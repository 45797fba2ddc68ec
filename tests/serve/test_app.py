"""Requests: poses, errors, limits, and who may ask."""
import json
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Dict

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from rsn_mm.apis import PoseInferencer
from rsn_mm.apis.detectors import Boxes, WholeImage
from rsn_mm.serve import workers
from rsn_mm.serve.app import STATIC, parse_boxes
from rsn_mm.serve.guard import HEADERS
from rsn_mm.serve.limits import Limits, Refused

BOXES = [[10, 5, 80, 110], [60.5, 20.25, 120, 100]]


def post(client: TestClient, data: Any, headers: Any = None, **query: str) -> Any:
    return client.post('/api/poses', content=data, params=query, headers=headers)


def test_the_answer_is_the_json_that_predict_writes(client: TestClient, inferencer: PoseInferencer, encoded: Dict[str, bytes],
                                                    tmp_path: Path) -> None:
    for suffix, data in encoded.items():
        (tmp_path / f'in{suffix}').write_bytes(data)
        for boxes, text in ((None, 'whole'), (np.array(BOXES, np.float32), json.dumps(BOXES))):
            list(inferencer(str(tmp_path / f'in{suffix}'), boxes, tmp_path / 'out', overlays=False))
            expected = json.loads((tmp_path / 'out' / 'predictions.json').read_text())
            answer = post(client, data, boxes=text, model='the same')
            assert answer.status_code == 200, answer.text
            found = answer.json()
            assert found.pop('skipped_boxes') == 0
            expected['images'][0]['file_name'] = 'upload'
            assert found == expected and len(found['annotations']) == (1 if boxes is None else 2)


def test_models_are_described(client: TestClient, inferencer: PoseInferencer) -> None:
    content = client.get('/api/models').json()
    assert [model['name'] for model in content['models']] == ['tiny', 'the same'] and content['detector'] is False
    model, meta = content['models'][0], inferencer.model.meta
    assert model['input_size'] == [48, 64] and tuple(model['keypoint_names']) == meta.keypoint_names
    assert len(model['skeleton']) == len(model['link_colours']) == len(meta.skeleton)
    assert model['score_threshold'] == inferencer.model.score_threshold
    assert content['limits'] == dict(upload_bytes=200_000, pixels=200_000, boxes=100)


def test_boxes_outside_are_counted(client: TestClient, encoded: Dict[str, bytes]) -> None:
    content = post(client, encoded['.png'], boxes='[[500, 500, 600, 600], [1, 2, 30, 40]]').json()
    assert content['skipped_boxes'] == 1 and [one['bbox'] for one in content['annotations']] == [[1, 2, 29, 38]]
    nobody = post(client, encoded['.png'], boxes='[[500, 500, 600, 600]]').json()
    assert nobody['skipped_boxes'] == 1 and nobody['annotations'] == []


def test_the_detector_gives_boxes_and_scores(client_of: Callable[..., TestClient], encoded: Dict[str, bytes]) -> None:
    client = client_of(detector=lambda frame, number: Boxes(np.array(BOXES, np.float32), np.array([0.9, 0.5], np.float32)))
    assert client.get('/api/models').json()['detector'] is True
    found = post(client, encoded['.png'], boxes='detector').json()['annotations']
    assert post(client, encoded['.png']).json()['annotations'] == found, 'the detector is the default where there is one'
    given = post(client, encoded['.png'], boxes=json.dumps(BOXES)).json()['annotations']
    assert [one['score'] for one in found] == pytest.approx([0.9 * given[0]['score'], 0.5 * given[1]['score']], rel=1e-6)
    assert len(post(client, encoded['.png'], boxes='whole').json()['annotations']) == 1


def test_a_picture_that_the_detector_cannot_scale(client_of: Callable[..., TestClient]) -> None:

    def detect(frame: Any, number: int) -> Boxes:
        cv2.resize(frame.image, (640, 0))
        return WholeImage()(frame, number)

    sliver = cv2.imencode('.png', np.zeros((1, 5000, 3), np.uint8))[1].tobytes()
    answer = post(client_of(detector=detect), sliver, boxes='detector')
    assert answer.status_code == 400 and 'shape' in answer.json()['error']
    assert post(client_of(), sliver).status_code == 200


@pytest.mark.parametrize('query, status, message', [
    (dict(model='other'), 404, 'There are: tiny, the same'),
    (dict(model='../../etc/passwd'), 404, 'no model'),
    (dict(boxes='detector'), 400, 'with --det whole'),
    (dict(boxes='/etc/passwd'), 400, 'no JSON'),
])
def test_wrong_queries(client: TestClient, encoded: Dict[str, bytes], query: dict, status: int, message: str) -> None:
    answer = post(client, encoded['.png'], **query)
    assert answer.status_code == status and message in answer.json()['error']


@pytest.mark.parametrize('text', [
    '', '{}', '[]', '1', '[' * 5000, '[[1, 2, 3]]', '[[1, 2, 3, 4, 5]]', '[1, 2, 3, 4]', '[[1, 2, "3", 4]]', '[[0, 0, NaN, 9]]',
    '[[0, 0, Infinity, 9]]', '[[0, 0, 1e300, 9]]', '[[0, 0, true, 9]]', '[[5, 5, 5, 9]]', '[[9, 0, 0, 9]]', '[[0, 0, 0.1, 9]]',
    '[' + ','.join(101 * ['[0, 0, 9, 9]']) + ']', '[[0, 0, 1' + 400 * '0' + ', 9]]'])
def test_boxes_that_are_none(text: str) -> None:
    with pytest.raises(Refused, match='boxes must be') as refused:
        parse_boxes(text, Limits())
    assert refused.value.status == 400


def test_boxes_at_the_limits(client: TestClient, encoded: Dict[str, bytes]) -> None:
    for box in ([-1e6, -1e6, 1e6, 1e6], [0, 0, 1, 1], [-1e6, 5, 1e6, 6], [159, 119, 1e6, 1e6]):
        answer = post(client, encoded['.png'], boxes=json.dumps([box] * 100))
        assert answer.status_code == 200 and len(answer.json()['annotations']) == 100, box
        assert np.isfinite(answer.json()['annotations'][0]['keypoints']).all()


def test_uploads_are_cut_off(client: TestClient, encoded: Dict[str, bytes]) -> None:
    taken = []

    def endless():  # no Content-Length
        for number in range(100):
            taken.append(number)
            yield encoded['.png'][:1] + 50_000 * b'\0'

    assert post(client, encoded['.png'] + 200_000 * b'\0').status_code == 413
    answer = post(client, endless())
    assert answer.status_code == 413 and '0.19' in answer.json()['error']
    assert post(client, b'a', headers={'Content-Length': '9' * 5000}).status_code == 413
    assert post(client, encoded['.png']).status_code == 200


@pytest.mark.parametrize('data', [b'', b'%PDF-1.4', b'\x80\x04\x95', b'<svg onload="alert(1)"/>', b'\x89PNG\r\n\x1a\n', b'BM'])
def test_what_is_no_picture_gives_a_4xx_in_json(client: TestClient, data: bytes) -> None:
    answer = post(client, data)
    assert answer.status_code in (400, 415) and answer.json()['error']


def test_too_many_at_once_are_sent_away(client_of: Callable[..., TestClient], encoded: Dict[str, bytes],
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, begun = threading.Event(), threading.Semaphore(0)
    running = []
    decode = workers.decode_upload

    def slow(data: bytes, limits: Limits) -> np.ndarray:
        running.append(1)
        begun.release()
        assert len(running) == 1 and go_on.wait(20)
        running.pop()
        return decode(data, limits)

    monkeypatch.setattr(workers, 'decode_upload', slow)
    with client_of() as client, ThreadPoolExecutor(4) as senders:
        first = senders.submit(post, client, encoded['.png'])
        assert begun.acquire(timeout=20)
        # Of these three one finds a place, and two find none.
        others = [senders.submit(post, client, encoded['.png']) for _ in range(3)]
        for done in islice(as_completed(others, timeout=20), 2):
            refused = done.result()
            assert refused.status_code == 503 and refused.headers['Retry-After'] == '2' and 'wait' in refused.json()['error']
        go_on.set()
        assert sorted(one.result().status_code for one in [first, *others]) == [200, 200, 503, 503]
        assert post(client, encoded['.png']).status_code == 200


def test_a_fault_leaves_the_server_alive(client_of: Callable[..., TestClient], encoded: Dict[str, bytes],
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of()
    with monkeypatch.context() as context:
        context.setattr(workers, 'decode_upload', lambda data, limits: 1 / 0)
        for _ in range(3):  # more than there are places
            answer = post(client, encoded['.png'])
            assert answer.status_code == 500 and 'log' in answer.json()['error'] and 'Zero' not in answer.text
            assert answer.headers['X-Content-Type-Options'] == 'nosniff'
    assert post(client, encoded['.png']).status_code == 200


@pytest.mark.parametrize('host, status', [
    ('localhost:8000', 200), ('127.0.0.1:8000', 200), ('[::1]:8000', 200), ('LOCALHOST', 200), ('pose.example', 200),
    ('evil.example', 421), ('localhost.evil.example', 421), ('127.0.0.1.evil.example', 421), ('', 421), ('[evil', 421),
    ('evil.example:80@localhost', 421)])
def test_host_header(client_of: Callable[..., TestClient], host: str, status: int) -> None:
    answer = client_of(names=['Pose.example']).get('/', headers={'Host': host})
    assert answer.status_code == status, host
    assert all(answer.headers[name] == value for name, value in HEADERS.items())


@pytest.mark.parametrize('origin, status', [('http://localhost:8000', 200), ('http://evil.example', 403), ('null', 403),
                                            ('http://localhost:9000', 403)])
def test_origin_header(client: TestClient, encoded: Dict[str, bytes], origin: str, status: int) -> None:
    assert post(client, encoded['.png'], headers={'Origin': origin}).status_code == status


def test_static_files_alone_are_served(client: TestClient) -> None:
    page = client.get('/')
    assert page.text == client.get('/page.html').text and page.headers['Content-Type'].startswith('text/html')
    for name in STATIC:
        text = client.get(f'/{name}').text
        assert 'https://' not in text and 'http://' not in text.replace('http://www.w3.org/2000/svg', ''), name
    for path in ('/app.py', '/../app.py', '/%2e%2e/app.py', '/static/page.html', '/etc/passwd'):
        assert client.get(path).status_code == 404 and client.get(path).json()['error']
    assert client.get('/api/poses').status_code == 405
