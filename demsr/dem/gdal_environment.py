"""Environment of GDAL and PROJ: settings of a shell or of another program must not change the meaning of a file."""

import os
from typing import Any

import rasterio
from rasterio._env import PROJDataFinder, set_proj_data_search_path

_FAMILIES = (
    *(
        "GDAL_",
        "GTIFF_",
        "GEOTIFF_",
        "TIFF_",
        "OGR_",
        "OSR_",
        "NETCDF_",
        "HDF5_USE_",
        "HDF5_DRIVER",
        "HDF5_VOL_",
        "ZARR_",
        "VRT_",
        "REPORT_",
    ),
    *("AAIGRID_", "BAG_", "DTED_", "GRIB_", "HFA_", "S102_", "SRTMHGT_", "USGSDEM_", "XYZ_"),
    *("PROJ_AUX_DB", "PROJ_NETWORK", "PROJ_ONLY_BEST_DEFAULT"),
)
_HARMLESS = ("GDAL_CACHEMAX", "GDAL_NUM_THREADS", "GDAL_HTTP", "GDAL_MAX_", "GDAL_PROXY", "PROJ_NETWORK_ENDPOINT")
_PROJ_DATA = ("PROJ_DATA", "PROJ_LIB")


def gdal_environment(**options: Any) -> rasterio.Env:
    """Return an environment of rasterio in which files mean what they say.

    Options of GDAL and PROJ that change the meaning of a file, such as `GDAL_NETCDF_BOTTOMUP`, `GTIFF_POINT_GEO_IGNORE`
    or the PROJ data of another installation, are removed from the environment of this process.

    Parameters
    ----------
    options : options of GDAL
    """
    for name in [name for name in os.environ if _changes_meaning(name)]:
        del os.environ[name]
    os.environ["GDAL_CONFIG_FILE"] = os.devnull  # else ~/.gdal/gdalrc is read
    own_proj_data = PROJDataFinder().search()  # none where GDAL and PROJ are packages of the system
    if own_proj_data:
        for name in _PROJ_DATA:
            os.environ.pop(name, None)
        set_proj_data_search_path(own_proj_data)
    return rasterio.Env(**{"GDAL_PAM_ENABLED": "NO", **options})


def _changes_meaning(name: str) -> bool:
    return name.startswith(_FAMILIES) and not name.startswith(_HARMLESS)
