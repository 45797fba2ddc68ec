"""Files that are written: whole, under their own names, readable by others."""
import json
from pathlib import Path
from typing import List

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from rsn_mm.apis import PoseInferencer

BOXES = np.array([[10, 5, 80, 110], [60.5, 20.25, 120, 100]], np.float32)


def run(stream) -> list:
    return list(stream)


def test_an_empty_text_is_no_folder(inferencer: PoseInferencer, folder: Path) -> None:
    with pytest.raises(ValueError, match='out is an empty text'):
        inferencer(folder, boxes=[BOXES] * 5, out='')


def test_a_folder_that_cannot_be_made(inferencer: PoseInferencer, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="out='/proc/none' cannot be made: .* Give a folder"):
        run(inferencer(folder, boxes=[BOXES] * 5, out='/proc/none'))
    assert 'never read' not in caplog.text


def test_pictures_and_json(inferencer: PoseInferencer, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / 'new' / 'out'
    results = run(inferencer(folder, boxes=[BOXES, [], BOXES, BOXES[:1], BOXES], out=out, score_threshold=0.))
    assert sorted(path.name for path in out.iterdir()) == [*(f'{i}.png' for i in range(5)), 'predictions.json']
    original = cv2.imread(str(folder / '0.png'))
    assert (cv2.imread(str(out / '0.png')) != original).any()
    np.testing.assert_array_equal(cv2.imread(str(out / '1.png')), cv2.imread(str(folder / '1.png')))

    coco = COCO(str(out / 'predictions.json'))  # its own reader takes the file
    assert len(coco.imgs) == 5 and len(coco.anns) == 7
    image, = [image for image in coco.imgs.values() if image['file_name'].endswith('3.png')]
    pose, = coco.imgToAnns[image['id']]
    joints = np.array(pose['keypoints']).reshape(17, 3)
    np.testing.assert_allclose(joints[:, :2], results[3].keypoints[0], atol=1e-3)
    np.testing.assert_allclose(joints[:, 2], results[3].keypoint_scores[0], atol=1e-4)
    np.testing.assert_allclose(pose['bbox'], [10, 5, 70, 105], atol=1e-3)
    assert pose['score'] == pytest.approx(results[3].scores[0])
    category, = coco.cats.values()
    assert category['keypoints'][0] == 'nose'
    assert category['skeleton'] == [[a + 1, b + 1] for a, b in results[0].skeleton]  # counted from 1, as in COCO


def test_video_and_pictures_together(inferencer: PoseInferencer, folder: Path, video: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    run(inferencer([video, folder / '0.png', video], out=out))
    assert sorted(path.name for path in out.iterdir()) == ['0.png', 'clip.mp4', 'clip_2.mp4', 'predictions.json']
    capture = cv2.VideoCapture(str(out / 'clip.mp4'))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 10 and capture.get(cv2.CAP_PROP_FPS) == 10
    assert capture.read()[1].shape == (72, 96, 3)
    frames = [image['frame_index'] for image in json.loads((out / 'predictions.json').read_text())['images']]
    assert frames == [*range(10), 0, *range(10)]


def test_sources_of_one_name_do_not_replace_each_other(inferencer: PoseInferencer, pictures, tmp_path: Path) -> None:
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / '1.jpg'), pictures[0])
    run(inferencer([tmp_path / 'a' / '1.jpg', tmp_path / 'b', pictures[1]], out=tmp_path / 'out'))
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        '1.jpg', '1_2.jpg', 'array_2.png', 'predictions.json']


def test_inputs_are_never_drawn_over(inferencer: PoseInferencer, folder: Path) -> None:
    with pytest.raises(ValueError, match='is the folder of the input'):
        inferencer(folder, out=folder)
    run(inferencer(folder, out=folder, overlays=False))
    assert (folder / 'predictions.json').is_file() and len(list(folder.iterdir())) == 6


def test_a_file_is_no_folder(inferencer: PoseInferencer, folder: Path) -> None:
    with pytest.raises(ValueError, match='is a file'):
        inferencer(folder, out=folder / '0.png')


def test_what_was_there_is_replaced_and_nothing_unfinished_stays(inferencer: PoseInferencer, folder: Path, video: Path,
                                                                 tmp_path: Path) -> None:
    for _ in range(2):
        run(inferencer([folder, video], out=tmp_path / 'out'))
    names: List[str] = [path.name for path in (tmp_path / 'out').iterdir()]
    assert len(names) == 7 and not [name for name in names if 'part' in name]


def test_joints_are_drawn_where_they_are(inferencer: PoseInferencer, pictures) -> None:
    from rsn_mm.apis.drawing import draw_poses
    result, = inferencer(pictures[0], boxes=BOXES)
    drawn = draw_poses(pictures[0], result, score_threshold=0., boxes=False)
    changed = (drawn != pictures[0]).any(axis=2)
    inside = [(x, y) for x, y in np.round(result.keypoints.reshape(-1, 2)).astype(int)
              if 0 <= x < changed.shape[1] and 0 <= y < changed.shape[0]]
    assert inside and all(changed[y, x] for x, y in inside)
    np.testing.assert_array_equal(draw_poses(pictures[0], result, score_threshold=99., boxes=False), pictures[0])
    assert (draw_poses(pictures[0], result, score_threshold=99.) != pictures[0]).any()


def test_an_overlay_that_cannot_be_written_loses_no_other(inferencer: PoseInferencer, folder: Path, tmp_path: Path) -> None:
    (tmp_path / 'out' / '1.png').mkdir(parents=True)
    stream = inferencer(folder, boxes=[BOXES] * 5, out=tmp_path / 'out')
    assert len(run(stream)) == 5 and len(list((tmp_path / 'out').glob('*.png'))) == 5
    (source, reason), = stream.skipped
    assert source.endswith('1.png') and "1.png' cannot be written: Is a directory" in reason
    assert json.loads((tmp_path / 'out/predictions.json').read_text())['info']['skipped'][0]['source'] == source


@pytest.mark.parametrize('name', ['clip.avi', 'n' * 250 + '.avi'])
def test_an_overlay_of_a_video_that_cannot_be_written_loses_no_other(inferencer: PoseInferencer, folder: Path, video: Path,
                                                                     tmp_path: Path, name: str) -> None:
    (tmp_path / 'out' / 'clip.mp4' / 'inside').mkdir(parents=True)
    stream = inferencer([video.rename(tmp_path / name), folder / '0.png'], out=tmp_path / 'out')
    assert len(run(stream)) == 11 and (tmp_path / 'out' / '0.png').is_file()
    (source, reason), = stream.skipped
    assert source.endswith(name) and 'its overlay' in reason
    written = json.loads((tmp_path / 'out' / 'predictions.json').read_text())
    assert len(written['images']) == 11 and written['info']['complete'] and not list((tmp_path / 'out').glob('.*'))


def test_a_folder_in_the_place_of_the_predictions(inferencer: PoseInferencer, folder: Path, tmp_path: Path) -> None:
    (tmp_path / 'out' / 'predictions.json').mkdir(parents=True)
    with pytest.raises(ValueError, match="predictions.json' is a folder, where a file"):
        inferencer(folder, boxes=[BOXES] * 5, out=tmp_path / 'out')
