"""helmflow's tests."""
