"""Web addresses that cannot be read; those that can are in test_videos.py."""
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from rsn_mm.apis import urls
from rsn_mm.apis.urls import Url
from rsn_mm.pictures import UnusableInput


@pytest.mark.parametrize('url, reason', [
    ('http://127.0.0.1:9/a.jpg', 'it cannot be read: Connection refused'),
    ('http://no-such-host.invalid/a.jpg', 'it cannot be read: (Name or service not known|Temporary failure .*)'),
    ('http://:80/a.jpg', 'it cannot be read: Invalid URL .*: No host supplied'),
])
def test_what_cannot_be_reached_is_told_in_plain_words(url: str, reason: str) -> None:
    with pytest.raises(UnusableInput, match=f'^{reason}$'):
        next(iter(Url(url).frames()))


def test_a_picture_that_breaks_off_on_the_way(loopback) -> None:
    picture = cv2.imencode('.png', np.random.default_rng(0).integers(0, 256, (99, 99, 3)))[1].tobytes()
    answer = SimpleNamespace(content=picture, sent=5000, delay=0., silence=0., status=200)
    with pytest.raises(UnusableInput, match='^it cannot be read: the transfer broke off$'):
        next(iter(Url(loopback({'/a.png': answer}).address + '/a.png').frames()))


def test_a_server_that_says_nothing(loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, 'READ_TIMEOUT', 0.2)
    answer = SimpleNamespace(content=b'', sent=0, delay=5., silence=0., status=200)
    with pytest.raises(UnusableInput, match=r'^it cannot be read: the server sends nothing for 0\.2 s$'):
        next(iter(Url(loopback({'/a.png': answer}).address + '/a.png').frames()))
