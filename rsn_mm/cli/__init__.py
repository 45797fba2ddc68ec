"""The command ``rsn-mm``: one module for each subcommand, with ``HELP``, ``add_arguments(parser)`` and ``run(args)``."""
