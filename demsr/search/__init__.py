"""Search for the best depth and learning rate. The only importer of Ray Tune and Optuna."""
