"""Stage `fetch`: list the input files with their checksums; the sample is written, products are fetched first."""

from demsr.dem.geotiff import write_dem
from demsr.errors import reported
from demsr.options import DOMAINS
from demsr.params import Params
from demsr.reporting.sources import print_licences
from demsr.runtime.files import write_json
from demsr.sources import sample
from demsr.sources.local import InputFile, describe_file, find_rasters, find_real_lr, write_manifest
from demsr.sources.provenance import provenance, without_dates
from demsr.sources.ready import unpacked_pairs
from demsr.sources.remote.fetch import fetch_all
from demsr.sources.remote.wanted import Wanted

Inputs = dict[str, list[InputFile]]


def main() -> None:
    """Write data/raw/inputs.json, results/fetch/provenance.json and products.json."""
    params = Params.read()
    inputs = fetched(params) if params.fetch.source == "remote" else found(params)
    write_manifest(params.paths.raw / "inputs.json", inputs)
    used = provenance(inputs, source=params.fetch.source)
    write_json(params.paths.results / "fetch" / "provenance.json", used)
    write_json(params.paths.results / "fetch" / "products.json", without_dates(used["products"]))


def found(params: Params) -> Inputs:
    """Return what is here: the sample, a user's own rasters or pairs."""
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
    return {kind: [describe_file(path) for path in paths] for kind, paths in files.items()}


def fetched(params: Params) -> Inputs:
    """Fetch what the regions of params.yaml name; their licences are shown first."""
    wanted = Wanted.of(params.fetch.remote.model_dump())
    sections = {domain: getattr(params.pairs, domain) for domain in DOMAINS}
    wanted.check({domain: [*part.valid, *part.test] for domain, part in sections.items() if part.split == "files"})
    print_licences(wanted.products())
    return fetch_all(wanted)


if __name__ == "__main__":
    with reported("fetch"):
        main()
