"""How things look: reporters for runs, views of plans, errors and graphs."""
