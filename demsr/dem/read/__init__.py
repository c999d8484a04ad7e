"""Read rasters of any format as elevation in metres."""
