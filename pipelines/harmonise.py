"""Stage `harmonise`: bring all input rasters to one kind."""

from rich.progress import track

from demsr.errors import VoidError, reported
from demsr.files import whole_folder, write_json
from demsr.params import DOMAINS, Params
from demsr.sources.harmonise import harmonise
from demsr.sources.local import checked_path, read_manifest


def main() -> None:
    """Write data/harmonised/<domain>/*.tif."""
    params = Params.read()
    manifest = read_manifest(params.paths.raw / "inputs.json")
    summary = {}
    for domain in DOMAINS:
        section = getattr(params.harmonise, domain)
        paths = (checked_path(entry) for entry in track(manifest[domain], description=f"harmonise {domain}"))
        with whole_folder(params.paths.harmonised / domain) as folder:
            counts = harmonise(
                paths, folder,
                vertical_datum=section.vertical_datum, datum_by_file=section.vertical_datum_by_file,
                water_level_m=section.water_level_m, water_min_pixels=section.water_min_pixels,
            )  # fmt: skip
        if not counts["written"]:
            message = f"{domain}: no raster is left ({dict(counts)}); give files with measured pixels"
            raise VoidError(message)
        summary[domain] = dict(sorted(counts.items()))
    write_json(params.paths.results / "harmonise" / "summary.json", summary)


if __name__ == "__main__":
    with reported("harmonise"):
        main()
