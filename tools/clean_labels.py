"""Write an annotation file without the joints that a trained model contradicts: they count as not labelled in training.

Example:
    python tools/clean_labels.py data/lspet/train.json data/lspet/images --pose rsn18_lsp_128x96 --out data/lspet/clean.json

Train with it by --cfg-options train_dataloader.dataset.datasets.0.ann_file=clean.json. Never clean what is evaluated.
"""
import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Dict, List

import numpy as np


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('annotations', type=Path, help="file in COCO's form")
    parser.add_argument('images', type=Path, help='folder of its images')
    parser.add_argument('--out', type=Path, required=True, help='file to write')
    parser.add_argument('--pose', help='model, see rsn-mm predict (default: the one that comes with the package)')
    parser.add_argument('--weights', help='its checkpoint, if it is not the one that the name stands for')
    parser.add_argument('--distance', type=float, default=0.2, metavar='SIZES',
                        help='what is far from a label, in longer sides of the box (default: %(default)s)')
    parser.add_argument('--score', type=float, default=0.5, help='what the model is certain of (default: %(default)s)')
    parser.add_argument('--device', help='where to compute')
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    try:
        clean(args)
    except (ValueError, OSError) as error:
        raise SystemExit(f'clean_labels: {error}') from None


def clean(args: argparse.Namespace) -> None:
    from rsn_mm.apis import PoseInferencer
    from rsn_mm.apis.zoo import SHIPPED
    from rsn_mm.datasets.cleaning import comparable, contradicted, without
    from rsn_mm.files import write_whole
    from rsn_mm.json_files import read_json
    inferencer = PoseInferencer(args.pose or SHIPPED, args.weights, device=args.device, flip_test=True)
    usable, faults = comparable(str(args.annotations), inferencer.model.meta.keypoint_names)
    content = read_json(args.annotations)
    # Of an id that is there twice the last counts, as everywhere.
    place_of = {person['id']: place for place, person in enumerate(content['annotations'])}
    path_of = {image['id']: str(args.images / image['file_name']) for image in content['images'] if image.get('file_name')}
    people: Dict[str, List[int]] = defaultdict(list)
    for place in sorted(place_of[person] for person in usable):
        people[path_of[content['annotations'][place]['image_id']]].append(place)
    boxes = [np.array([content['annotations'][place]['bbox'] for place in places], dtype=float) for places in people.values()]
    for rows in boxes:
        rows[:, 2:] += rows[:, :2]
    results = inferencer(list(people), boxes, progress=True)
    left_out: Counter = Counter()
    unseen = set(people)
    for result in results:
        places = people[result.source]
        if len(places) != len(result.keypoints):
            continue
        unseen.discard(result.source)
        for place, keypoints, scores in zip(places, result.keypoints, result.keypoint_scores):
            person = content['annotations'][place]
            wrong = contradicted(person, keypoints, scores, args.distance, args.score)
            left_out.update(np.array(result.keypoint_names)[wrong].tolist())
            if wrong.any():
                content['annotations'][place] = without(person, wrong)
    write_whole(args.out, json.dumps(content).encode())
    joints = sum(sum(flag > 0 for flag in content['annotations'][place_of[person]]['keypoints'][2::3]) for person in usable)
    print(f'{args.out}: {left_out.total()} joints left out ({dict(left_out.most_common())}), {joints} kept.')
    if len(usable) < len(content['annotations']):
        print(f'as they were: {len(content["annotations"]) - len(usable)} annotations, crowds or not for training: {faults}')
    for one in results.skipped:
        print(f'as they were: {one.source}: {one.reason}')
    if unseen:
        print(f'The people of {len(unseen)} images are as they were: a picture that cannot be read, or a box outside of it.')


if __name__ == '__main__':
    main()
