"""Scores on held-out areas and the promotion rule."""
