"""halo-forge: a reproducible RAFT pipeline for code models. The stages in `stages/` call this library."""

__version__ = "0.1.0"
