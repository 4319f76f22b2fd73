"""DIN and DIEN of DeepCTR-Torch, 0.2.9 and 0.3.0."""
