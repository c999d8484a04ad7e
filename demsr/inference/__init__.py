"""Super-resolve whole rasters."""
