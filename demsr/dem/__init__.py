"""Digital elevation models: grids, datums, voids, rasters."""
