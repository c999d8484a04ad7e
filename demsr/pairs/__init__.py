"""LR/HR pairs: split rasters, degrade HR, cut and store patches, load them for training."""
