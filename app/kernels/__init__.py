"""The fused CPU kernel: its C sources in `native/`, how they are called, how weights are packed."""
