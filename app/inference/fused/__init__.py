"""The fused CPU runtime: a model's weights packed for the kernel, and user states that are kept."""
