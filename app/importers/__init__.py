"""Checkpoints of DeepCTR-Torch and FuxiCTR become versions of ours that score as they did."""
