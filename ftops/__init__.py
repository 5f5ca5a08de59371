"""ftops: fine-tuning jobs as reviewed, reconciled, audited configuration."""
