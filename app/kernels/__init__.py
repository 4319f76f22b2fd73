"""The fused CPU kernel (C sources in `native/`, how they are called, how weights are packed), and a
recurrence for GPUs.
"""
