"""Another input size in a config: two lines, and all that has a size follows."""
from pathlib import Path
from typing import Any, Iterator

import mmpose
import pytest
from mmengine.config import Config

from rsn_mm.input_size import set_input_size

ROOT = Path(__file__).parents[1] / 'configs'
# A config of each family, with what the codec has no rule for.
FAMILIES = dict(rsn18_coco_256x192='', rsn18_coco_256x192_authors='', rsn_overfit_coco_256x192='', rsn18_crowdpose_256x192='',
                rsn18_lsp_256x192='', mmpose_rsn18_lsp_256x192='', rsn18_udp_lsp_256x192=', sigma=2.5',
                rsn18_dark_coco_256x192=', sigma=2.5', simcc_rsnencoder50_coco_256x192=', sigma=(5.7, 6.3)',
                **{'rsn18_coco-wholebody_256x192': ''})


def child(folder: Path, base: Any, call: str, more: str = '') -> Config:
    path = folder / 'own.py'
    path.write_text(f'_base_ = {base!r}\nfrom rsn_mm.input_size import set_input_size\nset_input_size({call})\n{more}')
    return Config.fromfile(path)


def ours(name: str) -> str:
    return str(ROOT / f'{name}.py')


def pairs(node: Any) -> Iterator[tuple]:
    """Every list or tuple of two integers."""
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        if len(node) == 2 and all(isinstance(side, int) for side in node):
            yield tuple(node)
        for item in node:
            yield from pairs(item)


@pytest.mark.parametrize('name', FAMILIES)
def test_nothing_keeps_the_old_size(name: str, tmp_path: Path) -> None:
    old = list(pairs(Config.fromfile(ours(name)).to_dict()))
    new = list(pairs(child(tmp_path, ours(name), f'_base_, (256, 320){FAMILIES[name]}').to_dict()))
    follows = {(192, 256): (256, 320), (48, 64): (64, 80), (64, 48): (80, 64), (6, 8): (8, 10)}
    assert len(set(old) & set(follows)) >= 2 - name.startswith('simcc')
    assert new == [follows.get(pair, pair) for pair in old]


def test_gaussians_grow_by_the_root_of_the_area_to_the_nearest_odd_number(tmp_path: Path) -> None:
    """15, 11, 9, 7, 5 times 1.5 is 22.5, 16.5, 13.5, 10.5, 7.5; times the root of 5 / 3, 19.4, 14.2, 11.6, 9.0, 6.5."""
    for size, kernels in (((288, 384), [23, 17, 13, 11, 7]), ((256, 320), [19, 15, 11, 9, 7]), ((192, 256), [15, 11, 9, 7, 5])):
        config = child(tmp_path, ours('rsn18_coco_256x192'), f'_base_, {size}')
        for codecs in (config.codecs, config.model.head.encoder):
            assert [codec.kernel_size for codec in codecs] == kernels
        assert config.model.head.decoder == config.codecs[-1] and config.model.head.decoder.blur_kernel_size == 5


def test_gaussians_by_name(tmp_path: Path) -> None:
    config = child(tmp_path, ours('mmpose_rsn18_lsp_256x192'), '_base_, (96, 128), kernel_size=(9, 7, 5, 3)')
    step, = (step for step in config.train_pipeline if step.type == 'GenerateTarget')
    assert [codec.kernel_size for codec in step.encoder] == [9, 7, 5, 3] and config.model.head.decoder.kernel_size == 3
    udp = child(tmp_path, ours('rsn18_udp_lsp_256x192'), '_base_, (288, 384), sigma=3, blur_kernel_size=7')
    assert udp.model.head.decoder.sigma == 3 and udp.codecs[0].blur_kernel_size == 7


def test_the_config_has_the_last_word(tmp_path: Path) -> None:
    """What it assigns is merged into the changed base, and ``{{_base_.x}}`` is of that."""
    config = child(tmp_path, ours('rsn18_coco_256x192'), '_base_, (256, 320)',
                   'shown = {{_base_.input_size}}\nmodel = dict(head=dict(decoder=dict(_delete_=True, type="other")))\n')
    assert config.shown == (256, 320) and config.model.head.decoder == dict(type='other')


def test_nothing_of_it_stays_in_the_config(tmp_path: Path) -> None:
    """What is dumped, as into every work_dir and checkpoint, needs no import and reads back as it was."""
    config = child(tmp_path, ours('rsn18_coco_256x192'), '_base_, (256, 320)')
    assert config.keys() == Config.fromfile(ours('rsn18_coco_256x192')).keys()
    config.dump(tmp_path / 'dumped.py')
    assert 'import' not in (tmp_path / 'dumped.py').read_text()
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == config.to_dict()


def test_by_name_of_a_package(tmp_path: Path) -> None:
    config = child(tmp_path, 'rsn_mm::rsn18_coco_256x192.py', '_base_, (288, 384)')
    assert config.train_dataloader.dataset.pipeline[5].input_size == config.model.head.encoder[0].input_size == (288, 384)


@pytest.mark.parametrize('stock', ['td-hm_hrnet-w32_8xb64-210e_coco-{}.py', 'td-hm_res50_8xb64-210e_coco-{}.py'])
def test_mmposes_configs_become_those_of_the_other_size(stock: str, tmp_path: Path) -> None:
    folder = Path(mmpose.__file__).parent / '.mim/configs/body_2d_keypoint/topdown_heatmap/coco'
    config = child(tmp_path, str(folder / stock.format('256x192')), '_base_, (288, 384), sigma=3').to_dict()
    expected = Config.fromfile(folder / stock.format('384x288')).to_dict()
    assert config['model'] == expected['model'] and config['codec'] == expected['codec']
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        assert config[loader]['dataset'] == expected[loader]['dataset']


@pytest.mark.parametrize('name, call, error', [
    ('rsn18_coco_256x192', '_base_, (250, 320)', r'heatmap_size is \(48, 64\) at \(192, 256\).* Give multiples of 4\.'),
    ('simcc_rsnencoder50_coco_256x192', '_base_, (208, 256), sigma=6', r'in_featuremap_size .* Give multiples of 32\.'),
    ('rsn18_coco_256x192', '_base_, 384', r'input_size=384 must be \(w, h\)'),
    ('rsn18_coco_256x192', '_base_, (288., 384.)', r'input_size=\(288.0, 384.0\) must be \(w, h\)'),
    ('rsn18_coco_256x192', '_base_, (0, 384)', r'input_size=\(0, 384\) must be \(w, h\)'),
    ('rsn18_coco_256x192', '_base_, (288, 384), sigma=3', r'sigma=3: no codec .* Leave it out\.'),
    ('mmpose_rsn18_lsp_256x192', '_base_, (288, 384), blur_kernel_size=5', 'blur_kernel_size=5: no codec'),
    ('rsn18_coco_256x192', '_base_, (288, 384), kernel_size=(9, 7, 5)', '3 Gaussians, but there are 5 levels'),
    ('rsn18_udp_coco_256x192', '_base_, (288, 384)', 'sigma is missing: the targets of UDPHeatmap have sigma=2 .* Name it'),
    ('_base_/default_runtime', '_base_, (288, 384)', 'no model.head.decoder.input_size.* Inherit from'),
    ('rsn18_coco_256x192', '_base_, (288, 384), kernel_size=7', r'kernel_size=7 must be a sequence.* \(7, \)'),
])
def test_errors_name_the_remedy(name: str, call: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=error):
        child(tmp_path, ours(name), call)


def test_base_must_be_what_is_inherited() -> None:
    with pytest.raises(TypeError, match="base is 'rsn18.py', but must be a dict.* give _base_ itself"):
        set_input_size('rsn18.py', (288, 384))  # type: ignore[arg-type]
