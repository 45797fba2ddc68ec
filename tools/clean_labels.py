"""Write an annotation file without the joints that a trained model contradicts: they count as not labelled in training.

Example:
    python tools/clean_labels.py data/lspet/train.json data/lspet/images --pose rsn18_lsp_128x96 --out data/lspet/clean.json

Train with it by --cfg-options train_dataloader.dataset.datasets.0.ann_file=clean.json. Never clean what is evaluated.
"""
import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Dict, List

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
    from rsn_mm.apis import PoseInferencer
    from rsn_mm.apis.zoo import SHIPPED
    from rsn_mm.datasets.cleaning import contradicted, without
    from rsn_mm.files import write_whole
    from rsn_mm.json_files import read_json
    content = read_json(args.annotations)
    people: Dict[Any, List[int]] = defaultdict(list)
    for place, person in enumerate(content['annotations']):
        if person.get('num_keypoints') and not person.get('iscrowd'):
            people[person['image_id']].append(place)
    images = [image for image in content['images'] if image['id'] in people]
    boxes = [np.array([content['annotations'][place]['bbox'] for place in people[image['id']]]) for image in images]
    for rows in boxes:
        rows[:, 2:] += rows[:, :2]
    inferencer = PoseInferencer(args.pose or SHIPPED, args.weights, device=args.device, flip_test=True)
    ids = {str(args.images / image['file_name']): image['id'] for image in images}
    results = inferencer(list(ids), boxes, progress=True)
    left_out: Counter = Counter()
    unseen = set(people)
    for result in results:
        places = people[ids[result.source]]
        if len(places) != len(result.keypoints):
            continue
        unseen.discard(ids[result.source])
        for place, keypoints, scores in zip(places, result.keypoints, result.keypoint_scores):
            person = content['annotations'][place]
            wrong = contradicted(person, keypoints, scores, args.distance, args.score)
            left_out.update(np.array(result.keypoint_names)[wrong].tolist())
            content['annotations'][place] = without(person, wrong)
    write_whole(args.out, json.dumps(content).encode())
    joints = sum(person.get('num_keypoints', 0) for person in content['annotations'])
    print(f'{args.out}: {left_out.total()} joints left out ({dict(left_out.most_common())}), {joints} kept.')
    for one in results.skipped:
        print(f'as they were: {one.source}: {one.reason}')
    if unseen:
        print(f'The people of {len(unseen)} images are as they were: a picture that cannot be read, or a box outside of it.')


if __name__ == '__main__':
    main()
