"""The paper's tables as it prints them, row by row, and the config that stands for each row here.

Source: Cai et al., "Learning Delicate Local Representations for Multi-Person Pose Estimation", ECCV 2020
(arXiv:2003.04030), Tables 1 to 6 and 8. Table 7 (test-challenge) prints no cost and no single model of the authors.
"""
from typing import Dict, List, NamedTuple, Optional, Set, Tuple


class Row(NamedTuple):
    """A row of a table.

    table: its number.
    name: what the paper calls the row.
    size: input height x width, '' where none is printed.
    result: AP in percent (Table 8: mean PCKh@0.5), as printed.
    gflops: as printed, None where nothing is.
    config: name of the config here, None for what others made and for ensembles.
    remark: what the numbers alone do not say.
    wide: name of the config with levels four times as wide (docs/ablations.md), None where there is none.
    """
    table: int
    name: str
    size: str
    result: float
    gflops: Optional[float] = None
    config: Optional[str] = None
    remark: str = ''
    wide: Optional[str] = None


CAPTIONS = {
    1: 'Table 1: receptive fields of the residual steps block',
    2: 'Table 2: receptive fields of the blocks',
    3: 'Table 3: ResNet, Res2Net and RSN, AP on COCO val2017 (minival)',
    4: 'Table 4: number of branches, AP on COCO val2017 (minival)',
    5: 'Table 5: Pose Refine Machine, AP on COCO val2017 (minival)',
    6: 'Table 6: AP on COCO test-dev',
    8: 'Table 8: mean PCKh@0.5 on the MPII test set',
}

# The metric of a log that a table's numbers can stand beside. Ours are of validation sets: no server is asked.
# Name in the log, and factor from its number to percent.
METRICS = {**dict.fromkeys((3, 4, 5, 6), ('coco/AP', 100.)), 8: ('PCK', 1.)}

# Table 1: receptive fields that meet in y_(i,j), the output of step j of branch i.
TABLE_1: Dict[Tuple[int, int], Set[int]] = {
    (1, 1): {3},
    (2, 1): {3, 5},
    (2, 2): {5, 7},
    (3, 1): {3, 5, 7},
    (3, 2): {5, 7, 9},
    (3, 3): {7, 9, 11},
    (4, 1): {3, 5, 7, 9},
    (4, 2): {5, 7, 9, 11},
    (4, 3): {7, 9, 11, 13},
    (4, 4): {9, 11, 13, 15},
}
# Table 2: receptive fields of y_1 .. y_4.
TABLE_2: Dict[str, List[Set[int]]] = {
    'ResNet': [{3}, {3}, {3}, {3}],
    'OSNet': [{3}, {5}, {7}, {9}],
    'Res2Net': [{1}, {3}, {3, 5}, {3, 5, 7}],
    'RSN': [{3}, {5, 7}, {7, 9, 11}, {9, 11, 13, 15}],
}


def _table_3() -> List[Row]:
    printed = {
        ('18', '256x192'): ((70.7, 2.3), (71.3, 2.2), (73.6, 2.5)),
        ('50', '256x192'): ((72.2, 4.6), (72.8, 4.5), (74.7, 6.4)),
        ('101', '256x192'): ((73.2, 7.5), (73.9, 7.5), (75.8, 11.5)),
        ('4x50', '256x192'): ((76.8, 20.6), (77.0, 20.1), (78.6, 27.5)),
        ('4x50', '384x288'): ((77.5, 46.4), (77.6, 45.2), (79.2, 61.9)),
    }
    return [
        _row(3, block, depth, size, ap, gflops)
        for (depth, size), numbers in printed.items()
        for block, (ap, gflops) in zip(('ResNet', 'Res2Net', 'RSN'), numbers)
    ]


def _table_4() -> List[Row]:
    printed = {'18': (73.1, 73.0, 73.6, 73.2, 72.9), '50': (73.9, 74.2, 74.7, 74.3, 74.0)}
    rows = []
    for depth, results in printed.items():
        for branches, ap in enumerate(results, 2):
            variant = '' if branches == 4 else f'_{branches}branch'
            rows.append(Row(4, f'RSN-{depth}, {branches} branches', '256x192', ap,
                            config=f'rsn{depth}{variant}_coco_256x192'))
    return rows


def _table_5() -> List[Row]:
    printed = {
        ('ResNet', '18'): ((70.7, 2.3), (72.2, 4.1)),
        ('ResNet', '50'): ((72.2, 4.6), (73.4, 6.4)),
        ('ResNet', '4x50'): ((76.8, 20.6), (77.2, 22.4)),
        ('RSN', '4x50'): ((78.6, 27.5), (79.0, 29.3)),
    }
    return [
        _row(5, block, depth, '256x192', ap, gflops, prm=bool(prm))
        for (block, depth), numbers in printed.items() for prm, (ap, gflops) in enumerate(numbers)
    ]


def _row(table: int, block: str, depth: str, size: str, ap: float, gflops: float, prm: bool = False) -> Row:
    stages, _, blocks = depth.rpartition('x')
    prefix = f'{stages}x' if stages else ''
    name = f'{prefix}{block}-{blocks}{" + PRM" if prm else ""}'
    network, rest = f'{prefix}{block.lower()}{blocks}', f'{"_prm" if prm else ""}_coco_{size}'
    wide = f'{network}_wide{rest}' if block == 'RSN' and blocks != '18' else None
    return Row(table, name, size, ap, gflops, network + rest, wide=wide)


EXTRA = 'trained on extra data'
TABLE_6 = [
    Row(6, 'CMUpose', '', 61.8),
    Row(6, 'G-RMI, ResNet-101', '353x257', 64.9, 57.0),
    Row(6, 'G-RMI, ResNet-101', '353x257', 68.5, 57.0, remark=EXTRA),
    Row(6, 'CPN, ResNet-Inception', '384x288', 72.1, 29.2),
    Row(6, 'CPN*, ResNet-Inception', '384x288', 73.0, remark='ensemble'),
    Row(6, 'SimpleBase, ResNet-152', '384x288', 73.7, 35.6),
    Row(6, 'HRNet-W32', '384x288', 74.9, 16.0),
    Row(6, 'HRNet-W48', '384x288', 75.5, 32.9),
    Row(6, 'SimpleBase*, ResNet-152', '384x288', 76.5, remark=f'ensemble, {EXTRA}'),
    Row(6, 'HRNet-W48', '384x288', 77.0, 32.9, remark=EXTRA),
    Row(6, 'MSPN, 4xResNet-50', '384x288', 77.1, 58.7, remark=f'{EXTRA}; Table 3 prints 46.4 GFLOPs for 4xResNet-50'),
    Row(6, 'RSN-18', '256x192', 71.6, 2.5, 'rsn18_coco_256x192'),
    Row(6, 'RSN-50', '256x192', 72.5, 6.4, 'rsn50_coco_256x192', wide='rsn50_wide_coco_256x192'),
    Row(6, '2xRSN-50', '256x192', 75.5, 13.9, '2xrsn50_coco_256x192', wide='2xrsn50_wide_coco_256x192'),
    Row(6, '4xRSN-50', '256x192', 78.0, 29.3, '4xrsn50_prm_coco_256x192', 'with PRM: 29.3 is its cost in Table 5',
        '4xrsn50_wide_prm_coco_256x192'),
    Row(6, '4xRSN-50', '384x288', 78.6, 65.9, '4xrsn50_prm_coco_384x288', 'with PRM: 4.0 more than in Table 3',
        '4xrsn50_wide_prm_coco_384x288'),
    Row(6, 'RSN*, 4xRSN-50', '', 79.2, remark='ensemble'),
]
TABLE_8 = [
    Row(8, 'Newell et al.', '', 90.9),
    Row(8, 'Tang et al. 2018a', '', 91.2),
    Row(8, 'Ning et al.', '', 91.2),
    Row(8, 'Chu et al.', '', 91.5),
    Row(8, 'Bin et al.', '', 91.5),
    Row(8, 'Chen et al.', '', 91.9),
    Row(8, 'Yang et al.', '', 92.0),
    Row(8, 'Ke et al.', '', 92.1),
    Row(8, 'Tang et al. 2018b', '', 92.3),
    Row(8, 'Sun et al.', '', 92.3),
    Row(8, '4xRSN-50', '256x256', 93.0, config='4xrsn50_mpii_256x256', wide='4xrsn50_wide_mpii_256x256'),
]

ROWS: Tuple[Row, ...] = (*_table_3(), *_table_4(), *_table_5(), *TABLE_6, *TABLE_8)
