"""Format and size of pictures, told without decoding them."""
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from rsn_mm.pictures import UnusableInput, decode_picture, decoding, read_picture
from rsn_mm.pictures.headers import BrokenHeader, Header, read_header

FORMATS = {'.jpg': 'JPEG', '.png': 'PNG', '.webp': 'WebP', '.bmp': 'BMP'}
WEBP = b'RIFF\x80\0\0\0WEBP%s' + 120 * b'\0'


def png_of(width: int, height: int, length: int = 0) -> bytes:
    """A PNG of an empty IDAT that says that it has ``length`` bytes."""
    chunks = [struct.pack('>I4sII', 13, b'IHDR', width, height) + b'\x08\x02\0\0\0', struct.pack('>I4s', length, b'IDAT'),
              b'\0\0\0\0IEND']
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunk + struct.pack('>I', zlib.crc32(chunk[4:])) for chunk in chunks)


@pytest.mark.parametrize('suffix', FORMATS)
def test_headers_tell_what_pillow_tells(suffix: str, tmp_path: Path) -> None:
    data = cv2.imencode(suffix, np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8))[1].tobytes()
    (tmp_path / 'file').write_bytes(data)
    with Image.open(tmp_path / 'file') as image:
        assert read_header(data) == Header(FORMATS[suffix], *image.size) == Header(FORMATS[suffix], 160, 120)


@pytest.mark.parametrize('options', [
    dict(format='WEBP', lossless=True), dict(format='WEBP', exif=b'Exif\0\0II*\0\x08\0\0\0\0\0'),
    dict(format='JPEG', progressive=True), dict(format='JPEG', comment=b'\xff\xd8' * 99)])
@pytest.mark.parametrize('size', [(1, 1), (257, 3), (300, 200)])
def test_headers_of_other_kinds(options: dict, size: tuple, tmp_path: Path) -> None:
    Image.new('RGB', size, (9, 99, 200)).save(tmp_path / 'file', **options)
    assert read_header((tmp_path / 'file').read_bytes())[1:3] == size


@pytest.mark.parametrize('data, expected', [
    (b'BM' + 12 * b'\0' + struct.pack('<IHH', 12, 7, 5), Header('BMP', 7, 5)),
    (b'BM' + 12 * b'\0' + struct.pack('<Iii', 40, 7, -5), Header('BMP', 7, 5)),
    (b'RIFF\x08\0\0\0AVI LIST', None),
    (b'GIF89a', None),
    (b'', None),
])
def test_header_of_bytes(data: bytes, expected: Header) -> None:
    assert read_header(data) == expected


@pytest.mark.parametrize('data', [
    b'\xff\xd8\xff', b'\xff\xd8\xff\xe0\0\x10', b'\xff\xd8\xff\xda\0\x08' + 20 * b'\0', b'\xff\xd8\xff\xe0\0\x02\0\0\0\0',
    b'\x89PNG\r\n\x1a\n', png_of(0, 5), png_of(5, 5).replace(b'IHDR', b'IDAT'),
     b'RIFF\x08\xff\0\0WEBPVP8 ',
    WEBP % b'VP9 ', WEBP % b'VP8 ', b'BM', b'BM' + 12 * b'\0' + struct.pack('<Iii', 40, -7, 5)])
def test_broken_headers(data: bytes) -> None:
    with pytest.raises(BrokenHeader):
        read_header(data)


@pytest.mark.parametrize('data, message', [
    (png_of(5, 5, 2**32 - 1), 'cut short'), (png_of(5, 5, 2**31 - 1), 'cut short'), (png_of(0, 5), '0x5 pixels')])
def test_what_a_header_claims_never_reaches_the_decoder(data: bytes, message: str, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(decoding.cv2, 'imdecode', None)
    (tmp_path / 'a.png').write_bytes(data)
    with pytest.raises(UnusableInput, match=message):
        decode_picture(data)
    with pytest.raises(UnusableInput, match=message):
        read_picture(str(tmp_path / 'a.png'))
