"""Times of videos and of their overlays; what is missing; web addresses."""
import functools
import http.server
import json
import threading
from fractions import Fraction
from pathlib import Path
from typing import Iterator, List, Sequence

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from rsn_mm.apis import PoseInferencer
from rsn_mm.apis.frames import FrameReader
from rsn_mm.apis.sources import find_sources
from rsn_mm.apis.videos import check_ends, is_video

# Ten frames a 30th of a second apart, then ten half a second apart: milliseconds.
TIMES = [round(1000 * n / 30) for n in range(10)] + [round(1000 * (10 / 30 + n / 2)) for n in range(10)]
LATE = [1000 + 33 * n for n in range(20)]
NOISE = np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), dtype=np.uint8)


def make_video(path: Path, times: Sequence[int] = TIMES, codec: str = 'mpeg4', **metadata: str) -> Path:
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.metadata.update(metadata)
        for time, image in zip(times, NOISE):
            frame = av.VideoFrame.from_ndarray(image, format='bgr24')
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize('name, codec', [('a.webm', 'libvpx'), ('a.mkv', 'mpeg4'), ('a.mp4', 'mpeg4'), ('a.mov', 'mpeg4')])
def test_a_variable_frame_rate(inferencer: PoseInferencer, tmp_path: Path, name: str, codec: str) -> None:
    video = make_video(tmp_path / name, codec=codec)
    stream = inferencer(video, out=tmp_path / 'out')
    times = [result.time for result in stream]
    np.testing.assert_allclose(times, np.array(TIMES) / 1000, atol=2e-3)
    assert stream.skipped == []
    written = json.loads((tmp_path / 'out' / 'predictions.json').read_text())
    np.testing.assert_allclose([image['time'] for image in written['images']], times, atol=1e-6)
    assert written['info'] == dict(complete=True, skipped=[])
    overlay, = read_all(tmp_path / 'out' / 'a.mp4')
    np.testing.assert_allclose([frame.time for frame in overlay], times, atol=2e-3)
    with av.open(str(tmp_path / 'out' / 'a.mp4')) as container:
        assert 4.8 < container.duration / av.time_base < 5.0


def read_all(*paths: Path) -> List[list]:
    skipped: list = []
    frames = [list(FrameReader(find_sources(path, []), skipped)) for path in paths]
    assert skipped == []
    return frames


def test_an_animation_gives_a_video_of_its_length(inferencer: PoseInferencer, tmp_path: Path) -> None:
    pictures = [Image.fromarray(image) for image in NOISE[:4]]
    pictures[0].save(tmp_path / 'a.gif', save_all=True, append_images=pictures[1:], duration=[50, 100, 150, 300])
    assert [round(result.time, 3) for result in inferencer(tmp_path / 'a.gif', out=tmp_path / 'out')] == [0, .05, .15, .3]
    with av.open(str(tmp_path / 'out' / 'a.mp4')) as container:
        assert container.duration / av.time_base == pytest.approx(.6, abs=2e-3)


def test_content_tells_a_video(tmp_path: Path) -> None:
    make_video(tmp_path / 'a.mkv').rename(tmp_path / 'a.jpg')
    (tmp_path / 'b.txt').write_text('words\n' * 99)
    assert is_video(str(tmp_path / 'a.jpg')) and not is_video(str(tmp_path / 'b.txt'))
    skipped: list = []
    source, = find_sources(tmp_path, skipped)
    assert len(list(source.frames())) == 20
    assert [(Path(one.source).name, one.reason) for one in skipped] == [('b.txt', 'it is neither a picture nor a video')]


@pytest.mark.parametrize('name', ['a.mkv', 'a.avi', 'a.ts'])
def test_a_cut_video_is_said(tmp_path: Path, name: str) -> None:
    video = make_video(tmp_path / name, times=[33 * n for n in range(20)])
    video.write_bytes(video.read_bytes()[:video.stat().st_size * 6 // 10])
    skipped: list = []
    frames = list(FrameReader(find_sources(video, []), skipped))
    assert 5 < len(frames) < 19
    if name != 'a.ts':  # which tells neither its length nor its frames
        assert f'it ends after {len(frames)}' in skipped[0].reason


@pytest.mark.parametrize('name, codec, times', [
    ('a.mkv', 'mpeg4', LATE), ('a.webm', 'libvpx', LATE), ('a.flv', 'libx264', LATE), ('a.avi', 'mpeg4', TIMES)])
def test_a_whole_video_that_begins_late_or_repeats_frames_is_not_cut(tmp_path: Path, name: str, codec: str,
                                                                     times: Sequence[int]) -> None:
    """Matroska tells its end, FLV what includes the delay of its decoder, AVI counts frames that are shown again."""
    frames, = read_all(make_video(tmp_path / name, times, codec))
    assert len(frames) == 20


@pytest.mark.parametrize('where, message', [('none.mp4', 'No such file.*ffmpeg know'), ('', 'cannot be opened as a video'),
                                            ('rtsp://127.0.0.1:1/a', 'refused.*Is the address right')])
def test_what_cannot_be_timed_is_named(tmp_path: Path, where: str, message: str) -> None:
    with pytest.raises(ValueError, match=f'--video=.*is no video: .*{message}'):
        check_ends('--video', where if '://' in where else str(tmp_path / where))


class Handler(http.server.SimpleHTTPRequestHandler):

    def do_GET(self) -> None:
        if self.path.startswith('/moved/'):
            self.send_response(302)
            self.send_header('Location', self.path[len('/moved'):])
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where a folder is served."""
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Handler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


def test_web_addresses(inferencer: PoseInferencer, address: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(NOISE[0]).save(tmp_path / 'p.jpg', exif=exif)
    make_video(tmp_path / 'v.mkv')
    for name in ('/p.jpg', '/p.jpg?size=1', '/moved/p.jpg'):
        frame, = FrameReader(find_sources(address + name, []), [])
        np.testing.assert_array_equal(frame.image, read_all(tmp_path / 'p.jpg')[0][0].image)
    stream = inferencer([address + '/v.mkv', address + '/p.jpg?size=1', address + '/none.png'], out=tmp_path / 'out')
    assert len(list(stream)) == 21
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['p.jpg', 'predictions.json', 'v.mp4']
    assert '404' in stream.skipped[0].reason and len(stream.skipped) == 1


def test_an_overlay_in_a_format_that_is_not_written(inferencer: PoseInferencer, folder: Path, tmp_path: Path) -> None:
    Image.fromarray(NOISE[0, ..., 0]).save(folder / '5.pgm')
    Image.fromarray(NOISE[0]).save(folder / '6.tga')
    stream = inferencer(folder, out=tmp_path / 'out')
    assert len(list(stream)) == 7 and stream.skipped == []
    assert {'5.png', '6.png'} <= {path.name for path in (tmp_path / 'out').iterdir()}
    assert cv2.imread(str(tmp_path / 'out' / '6.png')).shape == (48, 64, 3)


def test_a_stream_that_is_left_says_so(inferencer: PoseInferencer, video: Path, tmp_path: Path, caplog) -> None:
    inferencer(video, out=tmp_path / 'a')
    assert 'Nothing is written' in caplog.text and not (tmp_path / 'a').exists()
    next(inferencer(video, out=tmp_path / 'b'))
    assert 'holds a part' in caplog.text
    assert json.loads((tmp_path / 'b' / 'predictions.json').read_text())['info']['complete'] is False
    caplog.clear()
    list(inferencer(video, out=tmp_path / 'c'))
    next(inferencer(video))
    assert caplog.text == ''
