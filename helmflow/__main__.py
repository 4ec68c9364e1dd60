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


if __name__ == "__main__":
    main()
