"""Input rasters: the embedded sample, local files, downloaded products, and their harmonisation."""
