"""State file to DesiredState: Helmfile's format, layering and graph of needs; never reaches a cluster."""
