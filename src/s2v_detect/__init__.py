"""The client for wan2.2-s2v-detect."""

__version__ = "0.1.0"
