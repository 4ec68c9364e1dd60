"""What every layer may use and what knows no domain: errors, sources, events, YAML, limits."""
