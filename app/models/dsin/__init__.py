"""Deep Session Interest Network (Feng et al., IJCAI 2019, arXiv 1905.06482)."""
