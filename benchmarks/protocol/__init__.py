"""Accuracy protocol: regions, methods, trainings, scores, report."""
