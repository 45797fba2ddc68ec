"""Look inside a trained model: the weights it uses, the features and heatmaps it makes of people, the poses it predicts.

Example:
    python tools/analyze.py configs/rsn50_coco_256x192.py epoch_200.pth people.jpg --boxes 10,20,200,400 --out look
"""
import argparse
import json
from pathlib import Path
from typing import Dict, List, Optional, Tuple

Box = Tuple[float, ...]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path, metavar='CONFIG')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='file or URL')
    parser.add_argument('images', type=Path, nargs='+', metavar='IMAGE')
    people = parser.add_mutually_exclusive_group()
    people.add_argument('--boxes', type=_box, nargs='+', metavar='X1,Y1,X2,Y2',
                        help='people in the one IMAGE, in pixels (default: one person fills the image)')
    people.add_argument('--annotations', type=Path, metavar='FILE', help='COCO annotation file with the people of each IMAGE')
    parser.add_argument('--out', type=Path, required=True, metavar='FOLDER',
                        help='for weights.png, poses.png, and features_<image>.png of each image')
    parser.add_argument('--device', default='cpu', help='default: %(default)s')
    parser.add_argument('--score-threshold', type=float, default=0.55, metavar='T',
                        help='joints below are not drawn (default: %(default)s; empty heatmaps score 0.5)')
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    # Here, so that --help is immediate.
    import rsn_mm  # noqa: F401  closes the gaps of the stack before MMPose is imported
    from rsn_mm.analysis.inspection import inspect_image, load_model
    from rsn_mm.analysis.pictures import analyze
    try:
        boxes = _boxes(options)
        model = load_model(options.config, options.checkpoint, options.device)
        inspections = {image.stem: inspect_image(model, image, boxes.get(image)) for image in options.images}
        for path in analyze(model, inspections, options.out, options.score_threshold):
            print(path)
    except (ValueError, OSError) as error:
        raise SystemExit(f'analyze: {error}') from None


def _box(text: str) -> Box:
    try:
        x1, y1, x2, y2 = map(float, text.split(','))
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} must be four numbers X1,Y1,X2,Y2 in pixels, for example 10,20,200,400'
                                         ) from None
    return x1, y1, x2, y2


def _boxes(options: argparse.Namespace) -> Dict[Path, Optional[List[Box]]]:
    """Boxes (x1, y1, x2, y2) of every image. Raises before the model is loaded."""
    images = options.images
    stems = [image.stem for image in images]
    if len(set(stems)) < len(stems):
        raise ValueError('Two images have the same name: their pictures would overwrite each other.')
    if options.boxes and len(images) > 1:
        raise ValueError(f'--boxes goes with one image, but {len(images)} are given. Use --annotations.')
    if options.annotations is None:
        return {images[0]: options.boxes}
    content = json.loads(options.annotations.read_text())
    if not isinstance(content, dict) or not {'images', 'annotations'} <= set(content):
        raise ValueError(f'{options.annotations} is no COCO annotation file: it needs "images" and "annotations".')
    ids = {image['file_name'].rpartition('/')[2]: image['id'] for image in content['images']}
    found: Dict[Path, Optional[List[Box]]] = {}
    for image in images:
        people = [person['bbox'] for person in content['annotations']
                  if person['image_id'] == ids.get(image.name) and person.get('num_keypoints', 1)]
        if not people:
            raise ValueError(f'{options.annotations} knows no person in {image.name}.')
        found[image] = [(x, y, x + w, y + h) for x, y, w, h in people]
    return found


if __name__ == '__main__':
    main()
