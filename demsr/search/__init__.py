"""Search for the best values of the parameters of net and training. The only importer of Ray Tune and Optuna."""
