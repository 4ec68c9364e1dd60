"""The shop, end to end through the real command line on the embedded cluster."""
