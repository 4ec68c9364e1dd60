"""The process entry: answers `--version` and renders single charts before anything heavy is imported."""

import sys


def main() -> None:
    """Run the command line and exit with Helmfile's exit codes."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from helmflow import __version__

        sys.stdout.write(f"helmflow {__version__}\n")
        return
    if arguments[:2] == ["chart", "template"]:
        from helmflow.cli.chart_template import run

        sys.exit(run(arguments[2:]))
    from helmflow.cli.main import run_cli

    sys.exit(run_cli(arguments))


def process() -> None:
    """The same for a process of its own, which ends without taking everything apart where one chart was rendered."""
    try:
        main()
    except SystemExit as end:
        if sys.argv[1:3] != ["chart", "template"] or not isinstance(end.code, int):
            raise
        import os

        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:  # nobody reads on
            raise end from None
        os._exit(end.code)


if __name__ == "__main__":
    process()
