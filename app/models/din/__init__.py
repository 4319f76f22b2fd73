"""Deep Interest Network (Zhou et al., KDD 2018, arXiv 1706.06978)."""
