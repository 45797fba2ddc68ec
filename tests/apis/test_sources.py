"""Every kind of input, whole or broken."""
from pathlib import Path
from typing import List

import cv2
import numpy as np
import pytest
from PIL import Image

from rsn_mm.apis.frames import FrameReader
from rsn_mm.apis.results import Skipped
from rsn_mm.apis.sources import find_sources
from rsn_mm.pictures import UnusableInput, as_bgr, read_picture
from rsn_mm.pictures.jpeg import is_cut_short


def names(inputs) -> List[str]:
    return [Path(source.name).name for source in find_sources(inputs, [])]


def test_a_folder_gives_its_pictures_and_videos_by_name(folder: Path, video: Path) -> None:
    (folder / 'readme.txt').write_text('')
    (folder / 'sub.png').mkdir()
    video.rename(folder / '2b.AVI')
    assert names(folder) == names(str(folder)) == ['0.png', '1.png', '2.png', '2b.AVI', '3.png', '4.png']


def test_a_pattern_gives_what_it_matches(folder: Path) -> None:
    assert names(str(folder / '[0-2].png')) == ['0.png', '1.png', '2.png']
    assert names(str(folder.parent / '**' / '*3.png')) == ['3.png']


def test_a_pattern_gives_each_file_once_and_says_what_it_leaves_out(folder: Path) -> None:
    for link in ('here', 'there'):  # two ways around at each step: they would never end
        (folder / link).symlink_to('.')
    (folder / '8.png').symlink_to('nowhere')
    (folder / '9.png').mkdir()
    skipped: List[Skipped] = []
    assert len(find_sources(str(folder.parent / '**' / '*.png'), skipped)) == 5
    assert [Path(one.source).name for one in skipped] == ['8.png']
    assert len(find_sources(str(folder / '*.png'), skipped)) == 5
    assert [Path(one.source).name for one in skipped[1:]] == ['8.png', '9.png'] and 'a folder' in skipped[2].reason
    with pytest.raises(ValueError, match="no video, but 1 others; of the first, '.*9.png', it is a folder"):
        find_sources(str(folder / '9*'), [])


def test_hidden_pictures_are_counted_and_what_systems_leave_is_not(folder: Path) -> None:
    for name in ('.a.png', '.photo'):
        (folder / name).write_bytes((folder / '0.png').read_bytes())
    (folder / '.broken.JPG').write_bytes(b'?')
    for name in ('.DS_Store', 'Thumbs.db', 'desktop.ini', '.notes.txt'):
        (folder / name).write_bytes(b'of a system')
    (folder / '._0.png').write_bytes(b'\0\5\x16\7\0\2\0\0Mac OS X')
    (folder / '.git').mkdir()
    (folder / '__MACOSX').mkdir()
    skipped: List[Skipped] = []
    assert len(find_sources(folder, skipped)) == 5
    (source, reason), = skipped
    assert 'here 3: .a.png, .broken.JPG, .photo. Give them by this pattern' in reason
    assert {'.a.png', '.photo', '.broken.JPG'} <= set(names(source))  # as the message says
    for number in range(5):
        (folder / f'{number}.png').unlink()
    with pytest.raises(ValueError, match=r"no video, but 1 others; of the first, '.*\.\*', hidden pictures"):
        find_sources(folder, [])


def test_a_picture_without_a_known_suffix_is_told_by_its_content(folder: Path, video: Path) -> None:
    (folder / '0.png').rename(folder / 'photo')
    video.rename(folder / 'film')
    assert [type(source).__name__ for source in find_sources([folder / 'photo', folder / 'film'], [])] == [
        'PictureFile', 'VideoFile']


@pytest.mark.parametrize('inputs, error, message', [
    ('{}/nothing.jpg', FileNotFoundError, 'does not exist'),
    ('{}/*.tiff', FileNotFoundError, 'No file matches the pattern'),
    ('{}', ValueError, 'holds no picture and no video'),
    ([], ValueError, 'list of inputs is empty'),
    ('', ValueError, 'empty text'),
    (3.5, TypeError, 'is a float'),
    (True, TypeError, 'is a bool'),
    (-1, ValueError, '-1 is no number of a camera'),
    ('file://photo.jpg', ValueError, 'no file of this machine. Give its path'),
    ('/dev/null', FileNotFoundError, 'is neither a file nor a folder'),
    ('a' * 999, ValueError, 'cannot be a path here: File name too long'),
    ('~nobody-has-this/a.jpg', ValueError, 'cannot be a path here'),
    (10**12, ValueError, 'is no number of a camera'),
    (['{}/a.jpg', '{}/b.jpg'], FileNotFoundError, 'b.jpg'),
])
def test_inputs_that_stand_for_nothing(tmp_path: Path, inputs, error, message: str) -> None:
    if isinstance(inputs, str):
        inputs = inputs.format(tmp_path)
    elif isinstance(inputs, list):
        inputs = [one.format(tmp_path) for one in inputs]
    with pytest.raises(error, match=message):
        find_sources(inputs, [])


def test_cameras_and_urls_are_live() -> None:
    camera, stream = find_sources([0, 'rtsp://somewhere/stream'], [])
    assert camera.live and stream.live and camera.name == 'camera 0' and camera.num_frames is None


COLOUR = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize('image, expected', [
    (COLOUR, COLOUR),
    (COLOUR[..., 0], np.repeat(COLOUR[..., :1], 3, axis=2)),
    (COLOUR[..., :1], np.repeat(COLOUR[..., :1], 3, axis=2)),
    (np.dstack([COLOUR, np.zeros((6, 8), np.uint8)]), COLOUR),
    (COLOUR.astype(np.uint16) * 257, COLOUR),
    (COLOUR[:, ::-1], COLOUR[:, ::-1]),
], ids=['colour', 'grey', 'one channel', 'transparent', '16 bits', 'mirrored view'])
def test_any_array_becomes_bgr_of_8_bits(image: np.ndarray, expected: np.ndarray) -> None:
    converted = as_bgr(image)
    np.testing.assert_array_equal(converted, expected)
    assert converted.flags.c_contiguous


@pytest.mark.parametrize('image', [
    COLOUR.astype(np.float32), COLOUR[None], COLOUR[..., :2], COLOUR[:0], COLOUR[0, 0], COLOUR > 3
], ids=['float', '4 axes', '2 channels', 'empty', '1 axis', 'bool'])
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(UnusableInput, match=r'Give (one picture|uint8)'):
        as_bgr(image)


@pytest.mark.parametrize('image', [COLOUR[..., 0], np.dstack([COLOUR, COLOUR[..., :1]]), COLOUR.astype(np.uint16) * 257])
def test_files_of_any_kind_are_read_as_their_arrays(tmp_path: Path, image: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    np.testing.assert_array_equal(read_picture(str(tmp_path / 'a.png')), as_bgr(image))


def test_pictures_are_turned_as_their_camera_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.new('RGB', (40, 20)).save(tmp_path / 'a.jpg', exif=exif)
    assert read_picture(str(tmp_path / 'a.jpg')).shape == (40, 20, 3)


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('missing', [1, 2, 100])
def test_pictures_that_are_cut_short_are_refused(tmp_path: Path, suffix: str, missing: int) -> None:
    missing += 40 * (suffix == '.png')  # the last bytes of a PNG are a chunk without pixels and a checksum
    whole = cv2.imencode(suffix, np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))[1].tobytes()
    assert not is_cut_short(whole) and not is_cut_short(whole + b'what some cameras add')
    (tmp_path / f'a{suffix}').write_bytes(whole[:-missing])
    with pytest.raises(UnusableInput, match='cut short'):
        read_picture(str(tmp_path / f'a{suffix}'))


def test_the_end_of_a_thumbnail_is_not_the_end_of_a_picture() -> None:
    exif = Image.Exif()
    jpeg = cv2.imencode('.jpg', np.zeros((32, 32, 3), np.uint8))[1].tobytes()
    exif[0x010e] = 'thumbnail'
    segment = b'\xff\xe1' + (len(jpeg) + 2).to_bytes(2, 'big') + jpeg
    with_thumbnail = jpeg[:2] + segment + jpeg[2:]
    assert not is_cut_short(with_thumbnail)
    assert is_cut_short(with_thumbnail[:-2]) and is_cut_short(with_thumbnail[:len(segment) - 10])


def test_empty_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / 'a.jpg').write_bytes(b'')
    with pytest.raises(UnusableInput, match='empty'):
        read_picture(str(tmp_path / 'a.jpg'))
    with pytest.raises(UnusableInput, match='No such file'):
        read_picture(str(tmp_path / 'b.jpg'))


def test_video_knows_its_length_and_rate(video: Path) -> None:
    source, = find_sources(video, [])
    frames = list(source.frames())
    assert source.num_frames == len(frames) == 10
    assert frames[3].index == 3 and frames[3].time == pytest.approx(0.3) and frames[3].image.shape == (72, 96, 3)


def test_a_video_that_ends_early_keeps_its_frames(video: Path) -> None:
    data = video.read_bytes()
    video.write_bytes(data[:len(data) * 6 // 10])
    skipped: List[Skipped] = []
    frames = list(FrameReader(find_sources(video, []), skipped))
    assert 0 < len(frames) < 9
    assert skipped == [(str(video), f'it ends after {len(frames)} of 10 frames')]


def test_a_video_that_is_none(tmp_path: Path) -> None:
    (tmp_path / 'a.mp4').write_bytes(b'no video')
    skipped: List[Skipped] = []
    assert list(FrameReader(find_sources(tmp_path, []), skipped)) == []
    assert 'cannot be opened' in skipped[0].reason
