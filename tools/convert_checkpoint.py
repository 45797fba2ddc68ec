"""Convert a checkpoint of RSN or MSPN: the authors' files and MMPose's to ours, ours to MMPose's, .pth and .safetensors.

Example:
    python tools/convert_checkpoint.py iter-96000.pth rsn18.safetensors
"""
import argparse


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('src', metavar='SRC', help='file to read: .pth, .pt or .safetensors')
    parser.add_argument('dst', metavar='DST', help='file to write, in the format that its end names')
    parser.add_argument('--to', choices=('ours', 'mmpose'), default='ours', help='names to write (default: %(default)s)')
    parser.add_argument('--from', choices=('auto', 'mmpose', 'authors', 'ours'), default='auto', dest='source',
                        help='names in SRC; auto tells it from them (default: %(default)s)')
    parser.add_argument('--keep-bgr', action='store_true',
                        help="leave the authors' first convolution to BGR images, instead of turning it to RGB")
    parser.add_argument('--half', action='store_true', help='write the weights of convolutions in float16: half the bytes')
    parser.add_argument('--bare', action='store_true', help='leave out what training noted: config, seed, time')
    parser.add_argument('--trust', action='store_true', help='run code that SRC may hold; only for files that you trust')
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    # Here, so that --help is immediate.
    from rsn_mm.checkpoints.files import convert_file
    try:
        source, count = convert_file(options.src, options.dst, options.to, options.source, options.trust, options.keep_bgr,
                                     options.half, options.bare)
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f'convert_checkpoint: {error}') from None
    print(f'{options.dst}: {count} tensors, from {source} to {options.to}')


if __name__ == '__main__':
    main()
