"""MLflow: store, runs, registry."""
