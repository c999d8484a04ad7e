"""Stage `fetch`: write the embedded sample or download products, and list all input files with their checksums."""

from demsr.dem.geotiff import write_dem
from demsr.errors import reported
from demsr.options import DOMAINS
from demsr.params import Params
from demsr.reporting.sources import print_licences
from demsr.runtime.files import write_json
from demsr.sources import sample
from demsr.sources.external_pairs import find_external_pairs
from demsr.sources.fetch import fetch_all
from demsr.sources.fetch_request import FetchRequest
from demsr.sources.local_rasters import find_rasters, find_real_lr
from demsr.sources.manifest import InputFile, describe_file, write_manifest
from demsr.sources.provenance import provenance, without_dates
from demsr.tracking.store import connect

Inputs = dict[str, list[InputFile]]


def main() -> None:
    """Write data/raw/inputs.json, results/fetch/provenance.json and products.json."""
    connect()  # the server must answer now, not hours later when the first run opens
    params = Params.read()
    inputs = remote_inputs(params) if params.fetch.source == "remote" else local_inputs(params)
    write_manifest(params.paths.raw / "inputs.json", inputs)
    used = provenance(inputs, source=params.fetch.source)
    write_json(params.paths.results / "fetch" / "provenance.json", used)
    write_json(params.paths.results / "fetch" / "products.json", without_dates(used["products"]))


def local_inputs(params: Params) -> Inputs:
    """Return the files of the embedded sample, or of the user's folders of rasters or pairs."""
    raw, fetch = params.paths.raw, params.fetch
    if fetch.source == "sample":
        files = {"land": [raw / "land" / "jacksboro.tif"], "marine": [raw / "marine" / "synthetic_sea_floor.tif"]}
        write_dem(files["land"][0], sample.land())
        write_dem(files["marine"][0], sample.sea_floor(seed=params.base.seed))
    elif fetch.source == "pairs":
        files = {domain: find_external_pairs(getattr(fetch, domain).folder, raw / domain) for domain in DOMAINS}
    else:
        files = {domain: find_rasters(**getattr(fetch, domain).model_dump()) for domain in DOMAINS}
    files |= find_real_lr(**fetch.lr.model_dump())
    return {kind: [describe_file(path) for path in paths] for kind, paths in files.items()}


def remote_inputs(params: Params) -> Inputs:
    """Download the products of the regions in params.yaml, after printing their licences."""
    request = FetchRequest.from_options(params.fetch.remote.model_dump())
    sections = {domain: getattr(params.pairs, domain) for domain in DOMAINS}
    request.check({domain: [*part.valid, *part.test] for domain, part in sections.items() if part.split == "files"})
    print_licences(request.data_sheets())
    return fetch_all(request)


if __name__ == "__main__":
    with reported("fetch"):
        main()
