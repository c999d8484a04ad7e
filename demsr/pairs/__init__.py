"""LR/HR pairs: degrade, split, cut, store, feed."""
