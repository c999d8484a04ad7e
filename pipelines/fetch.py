"""Stage `fetch`: list the input files with their checksums; the embedded sample is written first."""

from demsr.dem.raster import write_dem
from demsr.errors import reported
from demsr.params import DOMAINS, Params
from demsr.sources import sample
from demsr.sources.local import describe_file, find_rasters, find_real_lr, write_manifest
from demsr.sources.ready import unpacked_pairs


def main() -> None:
    """Write data/raw/inputs.json."""
    params = Params.read()
    raw, fetch = params.paths.raw, params.fetch
    if fetch.source == "sample":
        files = {"land": [raw / "land" / "jacksboro.tif"], "marine": [raw / "marine" / "synthetic_sea_floor.tif"]}
        write_dem(files["land"][0], sample.land())
        write_dem(files["marine"][0], sample.sea_floor(seed=params.base.seed))
    elif fetch.source == "pairs":
        files = {domain: unpacked_pairs(getattr(fetch, domain).folder, raw / domain) for domain in DOMAINS}
    else:
        folders = {domain: getattr(fetch, domain) for domain in DOMAINS}
        files = {
            domain: find_rasters(chosen.folder, include=chosen.include, exclude=chosen.exclude)
            for domain, chosen in folders.items()
        }
    files |= find_real_lr(**fetch.lr.model_dump())
    write_manifest(
        raw / "inputs.json", {kind: [describe_file(path) for path in paths] for kind, paths in files.items()}
    )


if __name__ == "__main__":
    with reported("fetch"):
        main()
