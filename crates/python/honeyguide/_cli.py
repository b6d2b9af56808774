"""The command `honeyguide`."""

import sys


def main() -> int:
    """Runs the command with the arguments of this process and returns the exit status."""
    try:
        from honeyguide._native import run_command
    except ImportError:
        print("error: this build has only the estimators: install honeyguide with its default features", file=sys.stderr)
        return 1
    return run_command(["honeyguide", *sys.argv[1:]])
