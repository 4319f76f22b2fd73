"""Models over padded sequences: what compilers of torch can take as a whole."""
