"""Simulated controllers: what kube-controller-manager, the scheduler and a kubelet would do, in short deterministic time."""
