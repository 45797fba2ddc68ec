"""Every way in decodes alike: orientation, bit depth, animation, damage, any suffix."""
import io
from pathlib import Path
from typing import Any, Optional

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from rsn_mm.apis.frames import FrameReader
from rsn_mm.apis.sources import find_sources
from rsn_mm.datasets.photos import Photo, photo_fault
from rsn_mm.pictures import CutShort, NoPicture, UnusableInput, decode_picture
from rsn_mm.pictures.frames import count_frames, decode_frames
from rsn_mm.pictures.headers import read_header
from rsn_mm.pictures.jpeg import is_cut_short
from rsn_mm.serve.limits import Limits
from rsn_mm.serve.pictures import decode_upload
from rsn_mm.transforms import LoadImage

BLOCKS = cv2.resize(np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8), (40, 24),
                    interpolation=cv2.INTER_NEAREST)
DURATIONS = [50, 100, 150, 40]


def encode(form: str, image: Any = None, **options: Any) -> bytes:
    data = io.BytesIO()
    (Image.fromarray(BLOCKS) if image is None else image).save(data, form, **options)
    return data.getvalue()


def by_every_way(data: bytes, folder: Path, suffix: str, fault: Optional[str] = None) -> list:
    path = folder / f'picture{suffix}'
    path.write_bytes(data)
    skipped: list = []
    found = [frame.image for frame in FrameReader(find_sources(path, skipped), skipped)]
    assert not skipped
    found.append(LoadImage()(dict(img_path=str(path)))['img'])
    said = photo_fault(Photo(str(path), 1, found[0].shape[1::-1]))
    assert (None if said is None else said.kind) == fault
    if read_header(data) is not None:  # what the server takes
        found.append(decode_upload(data, Limits()))
    return found


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('form, suffix', [('JPEG', '.jpg'), ('PNG', '.png'), ('WEBP', '.webp'), ('TIFF', '.tif'),
                                          ('AVIF', '.avif')])
def test_orientation(form: str, suffix: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(form, exif=exif, **(dict(lossless=True) if form == 'WEBP' else dict(quality=95)))
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert('RGB'))[..., ::-1].astype(int)
    assert expected.shape[0] == (40 if orientation > 4 else 24)
    # Labels that were made on the pixels as stored have the same size then, so they may lie wrongly.
    fault = 'photo turned' if orientation in (2, 3, 4) else None
    for found in by_every_way(data, tmp_path, suffix, fault):
        assert found.shape == expected.shape and np.abs(found - expected).mean() < 2


RAMP16 = (np.arange(24 * 40).reshape(24, 40) * 68).astype(np.uint16)
KINDS = {
    'grey of 16 bits': ('PNG', Image.fromarray(RAMP16), RAMP16 >> 8),
    '12 bits': ('PGM', b'P5 40 24 4095\n' + (RAMP16 >> 4).astype('>u2').tobytes(), RAMP16 >> 8),
    '4 bits': ('PGM', b'P5 40 24 15\n' + (RAMP16 >> 12).astype(np.uint8).tobytes(), (RAMP16 >> 12) * 17),
    'transparent PNG': ('PNG', Image.fromarray(np.dstack([BLOCKS, BLOCKS[..., 0] // 2])), BLOCKS),
    'transparent TIFF': ('TIFF', Image.fromarray(np.dstack([BLOCKS, BLOCKS[..., 0] // 2])), BLOCKS),
    'palette': ('GIF', Image.fromarray(BLOCKS).quantize(64), BLOCKS),
    'one bit': ('PNG', Image.fromarray(BLOCKS[..., 0] > 99), np.where(BLOCKS[..., 0] > 99, 255, 0)),
    'TGA': ('TGA', Image.fromarray(BLOCKS), BLOCKS),
    'CMYK': ('JPEG', Image.fromarray(BLOCKS).convert('CMYK'), BLOCKS),
    '1 x 1': ('PNG', Image.new('RGB', (1, 1), (9, 99, 200)), np.array([[[9, 99, 200]]])),
}


@pytest.mark.parametrize('kind', KINDS)
def test_bit_depths_and_modes(kind: str, tmp_path: Path) -> None:
    form, image, expected = KINDS[kind]
    data = image if isinstance(image, bytes) else encode(form, image, **(dict(quality=95) if form == 'JPEG' else {}))
    expected = np.repeat(expected[..., None], 3, axis=2) if expected.ndim == 2 else expected
    for suffix in ('', '.jpg'):  # none, and a wrong one
        for found in by_every_way(data, tmp_path, suffix)[:2]:
            assert np.abs(found[..., ::-1].astype(int) - expected).max() <= (1 if form != 'JPEG' else 60)


def test_numbers_without_a_white_are_refused() -> None:
    for data in (encode('TIFF', Image.fromarray(np.ones((4, 4), np.float32))), b'Pf\n1 1\n-1.0\n\0\0\0\0'):
        with pytest.raises(UnusableInput, match='32 bits.*Save it with 8 or 16'):
            decode_picture(data)


@pytest.mark.parametrize('progressive', [False, True])
def test_bytes_that_no_decoder_minds(progressive: bool, tmp_path: Path) -> None:
    data = encode('JPEG', progressive=progressive)
    expected = decode_picture(data)
    table = data.index(b'\xff\xdb')
    for damaged in (data[:table] + b'\0\7' + data[table:], data[:table] + b'\xff\xff' + data[table:], data + b'x',
                    data + b'\0' * 99):
        assert not is_cut_short(damaged)
        for found in by_every_way(damaged, tmp_path, '.jpg'):
            np.testing.assert_array_equal(found, expected)
    with pytest.raises(CutShort):
        decode_picture(data[:-60])


@pytest.mark.parametrize('missing', [1, 8, 12, 14])
def test_a_png_without_its_end_has_all_pixels(missing: int, tmp_path: Path) -> None:
    for found in by_every_way(encode('PNG')[:-missing], tmp_path, '.png'):
        np.testing.assert_array_equal(found[..., ::-1], BLOCKS)


@pytest.mark.parametrize('form', ['GIF', 'WEBP', 'PNG', 'AVIF'])
def test_animations_have_all_frames_and_their_times(form: str, tmp_path: Path) -> None:
    pictures = [Image.fromarray(np.roll(BLOCKS, number, axis=0)) for number in range(4)]
    data = encode(form, pictures[0], save_all=True, append_images=pictures[1:], duration=DURATIONS)
    frames = list(decode_frames(data))
    assert count_frames(data) == len(frames) == 4
    np.testing.assert_allclose([frame.duration for frame in frames], [.05, .1, .15, .04], atol=1e-6)
    np.testing.assert_allclose([frame.time for frame in frames], [0, .05, .15, .3], atol=1e-6)
    (tmp_path / 'any.jpg').write_bytes(data)
    source, = find_sources(tmp_path, [])
    assert source.num_frames == len(list(source.frames())) == 4


def test_a_gif_without_times_is_shown_as_players_show_it() -> None:
    data = encode('GIF', save_all=True, append_images=[Image.fromarray(BLOCKS[::-1])], duration=0)
    assert [frame.duration for frame in decode_frames(data)] == [0.1, 0.1]


def test_pages_are_frames_without_times() -> None:
    data = encode('TIFF', save_all=True, append_images=[Image.fromarray(BLOCKS[::-1])])
    assert [(frame.time, frame.image.shape) for frame in decode_frames(data)] == [(None, (24, 40, 3))] * 2


@pytest.mark.parametrize('data, error', [(b'', UnusableInput), (b'text', NoPicture), (b'\0' * 99, UnusableInput)])
def test_what_is_no_picture(data: bytes, error: type) -> None:
    with pytest.raises(error):
        decode_picture(data)
