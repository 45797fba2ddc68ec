"""Poses in the browser: drop a picture, see boxes and joints, switch models, save the JSON.

  rsn-mm serve
  rsn-mm serve rsn50 my_config.py=epoch_200.pth rsn18.onnx --det rtmdet_tiny_8xb32-300e_coco

The page is on this machine alone unless --host says otherwise. Ctrl-C ends it.
"""
import argparse
import sys

from .arguments import add_detector, add_runtime, positive

HELP = 'poses in the browser'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('models', nargs='*', metavar='MODEL[=WEIGHTS]',
                        help='config (name or path) and its checkpoint, model of MMPose, or exported .onnx or .xml file '
                        '(default: the best that this machine runs at a usable speed)')
    parser.add_argument('--random-weights', action='store_true', help='do without checkpoints, to try things out')
    add_runtime(parser)
    add_detector(parser)
    server = parser.add_argument_group('server')
    server.add_argument('--host', default='127.0.0.1', metavar='ADDRESS',
                        help='address to listen at; others than %(default)s let other machines in')
    server.add_argument('--port', type=int, default=8000, help='0: any that is free (default: %(default)s)')
    server.add_argument('--allow-host', action='append', default=[], metavar='NAME',
                        help='name of this machine under which pages ask for it, beside localhost and addresses')
    server.add_argument('--max-mib', type=positive, default=20, metavar='N',
                        help="most MiB of a picture's file (default: %(default)s)")
    server.add_argument('--max-megapixels', type=positive, default=50, metavar='N',
                        help='most million pixels of a picture (default: %(default)s)')
    server.add_argument('--max-waiting', type=positive, default=8, metavar='N',
                        help='pictures that may wait for a model (default: %(default)s)')


def run(args: argparse.Namespace) -> int:
    from ..deploy.metadata import require
    for package in ('starlette', 'uvicorn'):
        require(package, 'rsn-mm serve', 'serve')
    from ..apis import PoseInferencer
    from ..apis.person_detectors import WHOLE, load_detector
    from ..apis.zoo import take_model
    from ..deploy import default_device
    from ..serve.app import make_app
    from ..serve.limits import MEBIBYTE, MEGAPIXEL, Limits
    from ..serve.server import is_this_machine_only, make_server, open_socket, parse_models, url_of
    from ..serve.workers import PersonDetector, PoseWorker
    from .main import SUCCESS
    limits = Limits(upload_bytes=args.max_mib * MEBIBYTE, pixels=args.max_megapixels * MEGAPIXEL, waiting=args.max_waiting)
    device = args.device or default_device()
    with open_socket(args.host, args.port) as listening:
        models = parse_models(args.models or [take_model(device)])
        found = load_detector(args.det, args.det_weights, device, args.box_threshold, args.nms_threshold, args.random_weights)
        detector = None if args.det == WHOLE else PersonDetector(found)
        workers = [
            PoseWorker(model.name, PoseInferencer(
                model.pose, model.weights, WHOLE, device=args.device, runtime=args.runtime, flip_test=args.flip_test or None,
                random_weights=args.random_weights, precision=args.precision), detector, limits) for model in models
        ]
        if not is_this_machine_only(args.host):
            print(f'rsn-mm serve: warning: whoever reaches {args.host} can use this server; there is no password and no '
                  'encryption.', file=sys.stderr)
        devices = ', '.join(sorted({worker.model.device for worker in workers}))
        print(f'{len(workers)} models on {devices} at {url_of(listening)} (Ctrl-C ends it)', flush=True)
        try:
            make_server(make_app(workers, detector is not None, limits, [args.host, *args.allow_host])).run([listening])
        except KeyboardInterrupt:  # how a server is meant to end
            print('Ended.')
    return SUCCESS
