"""Model versions: on disk, verified, and in memory as servables."""
