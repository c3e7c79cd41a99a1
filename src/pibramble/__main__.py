"""The entry point: answers `--version` without importing anything, hands the rest to the command line."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; never returns."""
    if sys.argv[1:] == ["--version"]:
        from pibramble import __version__

        print(f"pibramble {__version__}")
        sys.exit(0)
    try:
        from pibramble.cli.main import run  # click is half of the start-up time

        code = run()
        # All is done or undone: a signal that comes now must not change what we say of it.
        import signal

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    except KeyboardInterrupt:  # while we were still importing
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
