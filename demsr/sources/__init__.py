"""Input rasters: the bundled sample, local files, downloaded products, and their harmonisation."""
