"""Leeds Sports Pose and its extension, from downloads made here."""
import json

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from rsn_mm.datasets.leeds import CROWDPOSE_JOINTS, LEEDS_JOINTS, convert_lsp, convert_lspet

SIZE = (60, 90)  # w, h


@pytest.fixture(scope='module')
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp('photo') / 'photo.jpg'
    cv2.imwrite(str(path), np.full((*SIZE[::-1], 3), 128, np.uint8))
    return path


def make_download(folder, photo, joints, digits, people=None):
    (folder / 'images').mkdir(parents=True)
    savemat(folder / 'joints.mat', dict(joints=joints))
    for number in range(1, (people or max(joints.shape)) + 1):
        (folder / 'images' / f'im{number:0{digits}d}.jpg').hardlink_to(photo)
    return folder


def positions(count):
    """x, y of joints (count, 14, 2) in px: person n's joint j is at (10 + j, 21 + j + n % 7)."""
    joint = np.arange(14)
    return np.stack([np.stack([10 + joint, 21 + joint + number % 7], axis=1) for number in range(1, count + 1)]).astype(float)


def load(path):
    return json.loads(path.read_text())


def test_lsp(tmp_path, photo):
    joints = np.concatenate([positions(2000), np.zeros((2000, 14, 1))], axis=2)
    joints[4, LEEDS_JOINTS.index('left_wrist'), 2] = 1  # hidden
    source = make_download(tmp_path / 'download', photo, joints.transpose(2, 1, 0), 4)
    assert convert_lsp(source, tmp_path / 'lsp') == {'lsp_train.json': 1000, 'lsp_test.json': 1000, 'lsp_test_half.json': 500}
    train, test, half = (load(tmp_path / 'lsp' / f'lsp_{name}.json') for name in ('train', 'test', 'test_half'))
    person = np.reshape(train['annotations'][4]['keypoints'], (14, 3))
    assert train['images'][4] == dict(id=20005, file_name='lsp0005.jpg', width=60, height=90)
    assert person[CROWDPOSE_JOINTS.index('left_wrist'), 2] == 1
    assert (person[:, 2] == 2).sum() == 13
    assert person[CROWDPOSE_JOINTS.index('right_ankle'), :2].tolist() == [10, 26]
    assert person[CROWDPOSE_JOINTS.index('top_head'), :2].tolist() == [23, 39]
    # 12 % of the extent (13 px) around the joints.
    np.testing.assert_allclose(train['annotations'][4]['bbox'], [10 - 1.56, 26 - 1.56, 13 * 1.24, 13 * 1.24], atol=0.011)
    assert [image['file_name'] for image in test['images']][::999] == ['lsp1001.jpg', 'lsp2000.jpg']
    assert [image['file_name'] for image in half['images']][:2] == ['lsp1001.jpg', 'lsp1003.jpg']
    assert (tmp_path / 'lsp' / 'images' / 'lsp1003.jpg').read_bytes() == photo.read_bytes()


def test_lspet(tmp_path, photo):
    joints = np.concatenate([positions(12), np.ones((12, 14, 1))], axis=2)
    joints[0, 8:, 2] = 0  # 8 labels
    joints[1, 5:, 2] = 0  # 5 labels are too few
    joints[2, :, :2] += (-10, 30)  # up to the edge
    source = make_download(tmp_path / 'download', photo, joints.transpose(1, 2, 0), 5, people=12)
    # 5 and 12 are for validation.
    assert convert_lspet(source, tmp_path / 'lspet') == {'train.json': 9, 'val.json': 2, 'left out': 1}
    train, val = (load(tmp_path / 'lspet' / f'{name}.json') for name in ('train', 'val'))
    assert [image['id'] for image in val['images']] == [5, 12]
    assert 2 not in [image['id'] for image in train['images']]
    assert train['annotations'][0]['num_keypoints'] == 8
    person = np.reshape(train['annotations'][0]['keypoints'], (14, 3))
    assert (person[:, 2] > 0).sum() == 8 and not person[person[:, 2] == 0].any()
    assert train['annotations'][1]['bbox'][0] == 0


def test_validation_people_are_a_thousand():
    from rsn_mm.datasets.leeds import _validation_ids
    ids = _validation_ids()
    assert len(ids) == 1000 and min(ids) == 5 and max(ids) <= 10000


@pytest.mark.parametrize('convert, shape, message', [
    (convert_lsp, (14, 3, 5), r'joints of shape \(14, 3, 5\), expected \(3, 14'),
    (convert_lspet, (3, 14, 5), r'joints of shape \(3, 14, 5\), expected \(14, 3'),
])
def test_the_other_download_is_refused(tmp_path, convert, shape, message):
    savemat(tmp_path / 'joints.mat', dict(joints=np.zeros(shape)))
    with pytest.raises(ValueError, match=message):
        convert(tmp_path, tmp_path / 'out')


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='joints.mat'):
        convert_lsp(tmp_path, tmp_path / 'out')
    savemat(tmp_path / 'joints.mat', dict(joints=np.concatenate([np.ones((2, 14, 2)), np.zeros((1, 14, 2))])))
    with pytest.raises(FileNotFoundError, match='im0001.jpg'):
        convert_lsp(tmp_path, tmp_path / 'out')


@pytest.mark.parametrize('convert, joints, message', [
    (convert_lsp, np.ones((3, 14, 5)), '100% of the flags'), (convert_lspet, np.zeros((14, 3, 5)), '0% of the flags')])
def test_inverted_flags_are_refused(tmp_path, convert, joints, message):
    savemat(tmp_path / 'joints.mat', dict(joints=joints))
    with pytest.raises(ValueError, match=message):
        convert(tmp_path, tmp_path / 'out')


HDF5 = b'MATLAB 7.3 MAT-file'.ljust(124) + b'\0\2IM' + bytes(400)


@pytest.mark.parametrize('content', [b'', b'<html>not found</html>' * 9, HDF5, None], ids=['empty', 'html', 'hdf5', 'cut'])
@pytest.mark.parametrize('convert', [convert_lsp, convert_lspet])
def test_a_broken_file_of_joints_is_named(tmp_path, convert, content):
    if content is None:
        savemat(tmp_path / 'joints.mat', dict(joints=positions(50)))
        content = (tmp_path / 'joints.mat').read_bytes()[:-200]
    (tmp_path / 'joints.mat').write_bytes(content)
    with pytest.raises(ValueError, match=r'joints.mat. cannot be read as a MATLAB file'):
        convert(tmp_path, tmp_path / 'out')


@pytest.mark.parametrize('convert, shape', [(convert_lsp, (3, 14, 0)), (convert_lspet, (14, 3, 0))])
def test_nobody_is_refused(tmp_path, convert, shape):
    savemat(tmp_path / 'joints.mat', dict(joints=np.zeros(shape)))
    with pytest.raises(ValueError, match='joints of shape'):
        convert(tmp_path, tmp_path / 'out')


@pytest.mark.parametrize('convert, axes, digits, flag, file', [
    (convert_lsp, (2, 1, 0), 4, 0, 'lsp_train.json'), (convert_lspet, (1, 2, 0), 5, 1, 'train.json')])
def test_no_person_has_a_box_outside_of_the_photo_or_none(tmp_path, photo, convert, axes, digits, flag, file):
    joints = np.concatenate([positions(4), np.full((4, 14, 1), flag)], axis=2)
    joints[0, :, :2] += 500
    joints[1, :, :2] = 30  # one point
    joints[2, LEEDS_JOINTS.index('neck'), 0] = np.nan
    source = make_download(tmp_path / 'download', photo, joints.transpose(axes), digits, people=4)
    counts = convert(source, tmp_path / 'out')
    assert counts[file] == 2 and counts['left out'] == 2
    people = load(tmp_path / 'out' / file)['annotations']
    assert [person['num_keypoints'] for person in people] == [13, 14]
    assert people[0]['keypoints'][-3:] == [0, 0, 0]  # neck
    np.testing.assert_allclose(people[0]['bbox'][2:], [13 * 1.24, 13 * 1.24], atol=.02)
