"""Training: optimizer, trainer, evaluation during training."""
