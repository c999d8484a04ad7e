"""Stage `harmonise`: convert all input rasters to north-up float32 metres above a named datum."""

import shutil
from dataclasses import asdict

from demsr.errors import VoidError, reported
from demsr.options import DOMAINS
from demsr.params import Params
from demsr.runtime.files import atomic_folder, write_csv, write_json
from demsr.sources.harmonise import WRITTEN, HarmoniseOptions, check_declared, harmonise, summarise
from demsr.sources.manifest import read_manifest
from demsr.tracking.store import connect


def main() -> None:
    """Write data/harmonised/<domain>/*.tif, and the result for each file."""
    connect()  # the server must answer now, not hours later when the first run opens
    params = Params.read()
    paths, section = params.paths, params.harmonise
    manifest = read_manifest(paths.raw / "inputs.json")
    check_declared(section.files, [entry for entries in manifest.values() for entry in entries])
    work, results = paths.work / "harmonise", paths.results / "harmonise"
    summary, files = {}, []
    for domain in DOMAINS:
        with atomic_folder(paths.harmonised / domain) as folder:
            if params.fetch.source == "pairs":
                continue
            records = harmonise(
                manifest[domain],
                folder,
                HarmoniseOptions(**params.harmonise_options(domain)),
                work=work / domain,
                processes=params.base.processes,
                description=f"harmonise {domain}",
            )
        summary[domain] = summarise(records)
        files += [{"domain": domain, **asdict(record)} for record in records]
        if not any(record.result == WRITTEN for record in records):
            message = f"{domain}: no raster is written ({summary[domain]['files']}); give files with measured pixels"
            raise VoidError(message)
    write_json(results / "summary.json", summary)
    write_csv(results / "files.csv", files)
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    with reported("harmonise"):
        main()
