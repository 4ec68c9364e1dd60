"""Adapters to the outside: charts, secrets, values."""
