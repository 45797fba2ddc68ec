"""Pictures from strangers: what is decoded, and what is refused before it."""
import struct
import zlib
from pathlib import Path
from typing import Dict

import cv2
import numpy as np
import pytest
from PIL import Image

from rsn_mm.pictures import decoding, read_picture
from rsn_mm.serve.limits import Limits, Refused
from rsn_mm.serve.pictures import decode_upload

SUFFIXES = ('.jpg', '.png', '.webp', '.bmp')


def png_of(width: int, height: int) -> bytes:
    """A PNG of an empty IDAT."""
    chunks = [struct.pack('>I4sII', 13, b'IHDR', width, height) + b'\x08\x02\0\0\0', struct.pack('>I4s', 0, b'IDAT'),
              b'\0\0\0\0IEND']
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunk + struct.pack('>I', zlib.crc32(chunk[4:])) for chunk in chunks)


@pytest.mark.parametrize('suffix', SUFFIXES)
@pytest.mark.parametrize('share', [0.02, 0.3, 0.6, 0.95])
def test_truncated_pictures_are_refused(suffix: str, share: float, encoded: Dict[str, bytes]) -> None:
    data = encoded[suffix]
    with pytest.raises(Refused) as refused:
        decode_upload(data[:int(share * len(data))], Limits())
    assert refused.value.status == 400


@pytest.mark.parametrize('data, limits, status, message', [
    (b'', {}, 400, 'body of the request is empty'),
    (b'<svg/>', {}, 415, 'JPEG, PNG, WebP and BMP are'),
    (b'GIF89a' + 100 * b'\0', {}, 415, 'JPEG'),
    (png_of(10000, 5001), {}, 413, '50 megapixels'),
    (png_of(2**32 - 1, 2**32 - 1), {}, 413, 'megapixels'),
    (png_of(32001, 1), {}, 413, 'longest side'),
    (png_of(20, 20), dict(pixels=399), 413, '20 x 20'),
    (b'\xff\xd8\xff\xc0\0\x11\x08\0\x10\0\x10' + 33 * b'\xff\xda', {}, 400, 'scans'),
])
def test_what_never_reaches_the_decoder(data: bytes, limits: dict, status: int, message: str, monkeypatch) -> None:
    monkeypatch.setattr(decoding.cv2, 'imdecode', None)
    with pytest.raises(Refused, match=message) as refused:
        decode_upload(data, Limits(**limits))
    assert refused.value.status == status


def test_pixels_are_those_that_predict_reads(encoded: Dict[str, bytes], tmp_path: Path) -> None:
    for suffix, data in encoded.items():
        (tmp_path / f'a{suffix}').write_bytes(data)
        np.testing.assert_array_equal(decode_upload(data, Limits()), read_picture(str(tmp_path / f'a{suffix}')))


def test_a_truncated_jpeg_is_refused_where_opencv_would_fill_it_with_grey(encoded: Dict[str, bytes], monkeypatch) -> None:
    monkeypatch.setattr(decoding.cv2, 'imdecode', None)  # OpenCV 4 does that
    with pytest.raises(Refused, match='cut short'):
        decode_upload(encoded['.jpg'][:-100], Limits())


def test_exif_turns_pictures(picture: np.ndarray, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the first row is on the right
    Image.fromarray(picture).save(tmp_path / 'turned.jpg', exif=exif)
    decoded = decode_upload((tmp_path / 'turned.jpg').read_bytes(), Limits())
    assert decoded.shape[:2] == picture.shape[1::-1]
    np.testing.assert_array_equal(decoded, read_picture(str(tmp_path / 'turned.jpg')))


def test_what_the_decoder_throws_is_a_refusal(encoded: Dict[str, bytes], monkeypatch) -> None:

    def fail(*args: object) -> None:
        raise cv2.error('overflow')

    monkeypatch.setattr(decoding.cv2, 'imdecode', fail)
    with pytest.raises(Refused, match='broken'):
        decode_upload(encoded['.jpg'], Limits())


@pytest.mark.parametrize('name', ['upload_bytes', 'waiting', 'upload_seconds'])
def test_limits_are_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f'{name}=0'):
        Limits(**{name: 0})
