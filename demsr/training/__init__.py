"""The loop: one task, one place that assembles a run."""
