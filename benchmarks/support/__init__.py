"""What benchmarks share: the tools they compare with, and a slower network."""
