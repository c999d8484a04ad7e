"""Bring rasters of any kind to one kind: north-up float32 metres, a named datum, voids as NaN."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from demsr.dem.raster import Dem, write_dem
from demsr.dem.reading import read_dem
from demsr.dem.vertical import named_datum
from demsr.dem.voids import flat_water
from demsr.errors import ParamsError


def harmonise(
    paths: Iterable[Path],
    folder: Path,
    *,
    vertical_datum: str,
    datum_by_file: Mapping[str, str],
    water_level_m: float | None,
    water_min_pixels: int,
) -> Counter[str]:
    """Write each raster to `folder` under its own name.

    Parameters
    ----------
    vertical_datum : for files that name none
    datum_by_file : exceptions, file name without suffix -> datum
    water_level_m, water_min_pixels : see `flat_water`; None keeps all pixels

    Returns
    -------
    counts : files written and files left out, by reason

    Raises
    ------
    ParamsError : `datum_by_file` names a file that is not among them
    """
    counts: Counter[str] = Counter()
    unseen = set(datum_by_file)
    for path in paths:
        unseen.discard(path.stem)
        datum = named_datum(datum_by_file.get(path.stem, vertical_datum), where=str(path)).name
        dem = read_dem(path, vertical_datum=datum)
        if water_level_m is not None:
            dem = _without_water(dem, water_level_m, water_min_pixels)
        if dem.valid.any():
            write_dem(folder / f"{path.stem}.tif", dem)
        counts["written" if dem.valid.any() else "left out: no pixel measured"] += 1
    if unseen:
        message = f"vertical_datum_by_file names {', '.join(sorted(unseen))}; there is no such file, correct the name"
        raise ParamsError(message)
    return counts


def _without_water(dem: Dem, level_m: float, min_pixels: int) -> Dem:
    return dem.without(flat_water(dem.elevation_m, level_m=level_m, min_pixels=min_pixels))
