"""Figures and terminal tables; computes no metrics, writes no models, reads no configuration."""
