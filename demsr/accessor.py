"""`import demsr.accessor` gives every xarray DataArray the method `da.demsr.super_resolve()`."""

from demsr.errors import missing_extras

with missing_extras():
    import demsr.inference.arrays  # noqa: F401  which registers the accessor
