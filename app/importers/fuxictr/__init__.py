"""DIN and DIEN of FuxiCTR 2.3, as in its model_zoo."""
