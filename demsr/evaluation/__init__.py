"""Scores on held-out areas, calibration and coverage of the uncertainty, and the promotion rule."""
