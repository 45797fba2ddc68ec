"""``rsn-mm predict | models | download | export | benchmark | serve | info``."""
import argparse
import importlib
import logging
import sys
from typing import Optional, Sequence

from .. import __version__
from ..apis.quiet import mute_warnings
from ..files import check_working_folder

# A module of this folder each; another subcommand is another module and its name here.
SUBCOMMANDS = ('predict', 'models', 'download', 'export', 'benchmark', 'serve', 'info')

SUCCESS, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130
EXIT_CODES = 'exit codes: 0 all went well, 1 inputs were skipped or something failed, 2 wrong usage, 130 interrupted'


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    parser = argparse.ArgumentParser(prog='rsn-mm', description='Human poses by RSN and any other top-down model of MMPose.',
                                     epilog=EXIT_CODES)
    parser.add_argument('--version', action='version', version=f'rsn_mm {__version__}')
    subparsers = parser.add_subparsers(dest='subcommand', required=True, metavar='{' + ','.join(SUBCOMMANDS) + '}')
    for name in SUBCOMMANDS:
        module = importlib.import_module(f'.{name}', __package__)
        subparser = subparsers.add_parser(name, help=module.HELP, description=module.__doc__, epilog=EXIT_CODES,
                                          formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(subparser)
        subparser.add_argument('--verbose', action='store_true', help='say everything: adapters, files, warnings of the stack')
        subparser.set_defaults(run=module.run)
    return parser


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command; the exit code is as ``EXIT_CODES`` says.

    Args:
        arguments (Sequence[str], optional): Defaults to those of the process.
    """
    args = build_parser().parse_args(arguments)
    try:
        check_working_folder()
    except FileNotFoundError as error:
        print(f'rsn-mm: {error}', file=sys.stderr)
        return USAGE
    _set_up_log(args.verbose)
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print('rsn-mm: interrupted', file=sys.stderr)
        return INTERRUPTED
    except (ValueError, TypeError, FileNotFoundError) as error:
        print(f'rsn-mm {args.subcommand}: {error}', file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        raise
    except (OSError, RuntimeError, ImportError) as error:
        print(f'rsn-mm {args.subcommand}: {type(error).__name__}: {error}', file=sys.stderr)
        return FAILURE


def _set_up_log(verbose: bool) -> None:
    """Log to stderr, from level DEBUG on with ``verbose``; without it, leave out harmless warnings of the stack."""
    log = logging.getLogger('rsn_mm')
    log.setLevel(logging.DEBUG if verbose else logging.NOTSET)
    mute_warnings()
    if verbose and not log.hasHandlers():
        logging.basicConfig(format='%(name)s: %(message)s')
