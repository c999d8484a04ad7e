"""Write finished products: COG, NetCDF-CF, folders of one-degree tiles with a STAC catalogue."""
