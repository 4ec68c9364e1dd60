"""The command line: flags to options, errors to exit codes."""
