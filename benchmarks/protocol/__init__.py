"""The parts of the accuracy protocol: regions, methods, trainings, scores, report."""
