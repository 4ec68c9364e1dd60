"""helmflow: declarative multi-release orchestration for Kubernetes with a Helm-exact chart engine."""

__version__ = "0.1.0"
