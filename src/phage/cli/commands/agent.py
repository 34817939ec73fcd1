"""`phage agent`."""

from __future__ import annotations

import click


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> int:
    """Run a scanner with a command line for workers elsewhere, over HTTPS.

    The same is done by the file phage/scan/agent.py alone, where phage itself is not installed, as
    on Windows. --help tells its options.
    """
    from phage.scan.agent import main

    try:
        return main(list(arguments))
    except SystemExit as ended:  # argparse has told what is wrong, or what there is.
        raise click.exceptions.Exit(int(ended.code or 0)) from None
