"""Use a model: load it, super-resolve arrays and files, estimate the cost."""
