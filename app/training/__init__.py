"""From interactions to a published model version: samples, trainer, evaluation."""
