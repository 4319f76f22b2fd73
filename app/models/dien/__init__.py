"""Deep Interest Evolution Network (Zhou et al., AAAI 2019, arXiv 1809.03672)."""
