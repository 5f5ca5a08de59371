"""ftops: fine-tuning jobs as reviewed, reconciled, audited configuration."""

__version__ = "0.1.0"
