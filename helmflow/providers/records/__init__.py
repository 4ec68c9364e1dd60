"""Release records outside of the cluster: Helm's SQL driver."""
