"""Tests of core: YAML, JSON, TOML, versions, decoding."""
