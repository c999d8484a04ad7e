"""Stage `fetch`: list the input rasters with their checksums; the embedded sample is written first."""

from demsr.dem.raster import write_dem
from demsr.errors import reported
from demsr.params import DOMAINS, Params
from demsr.sources import sample
from demsr.sources.local import describe_file, find_rasters, write_manifest


def main() -> None:
    """Write data/raw/inputs.json."""
    params = Params.read()
    raw, fetch = params.paths.raw, params.fetch
    if fetch.source == "sample":
        files = {"land": [raw / "land" / "jacksboro.tif"], "marine": [raw / "marine" / "synthetic_sea_floor.tif"]}
        write_dem(files["land"][0], sample.land())
        write_dem(files["marine"][0], sample.sea_floor(seed=params.base.seed))
    else:
        folders = {domain: getattr(fetch, domain) for domain in DOMAINS}
        files = {
            domain: find_rasters(chosen.folder, include=chosen.include, exclude=chosen.exclude)
            for domain, chosen in folders.items()
        }
    write_manifest(raw / "inputs.json", {domain: [describe_file(path) for path in files[domain]] for domain in DOMAINS})


if __name__ == "__main__":
    with reported("fetch"):
        main()
