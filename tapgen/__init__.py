"""Multi-region CloudFormation systems, from config to rollout."""

__version__ = "0.1.0"
