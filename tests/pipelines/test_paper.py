"""The profile `paper` from products to registered models, against servers on loopback instead of the providers."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clones import STAGES, Project, copy_of
from fault_server import FaultServer, Served
from providers import cell_at, geotiff, path_of, serve_gebco, serve_nasadem, served_by, zipped
from ruamel.yaml import YAML

from demsr.dem.read.raster import read_dem
from demsr.pairs.pair_file import PairFile
from demsr.sources.data_sheet import data_sheet
from demsr.sources.fetch_request import raster_requests
from demsr.sources.protocols.base import FetchRegion

LAND = {
    "white-mountains": ("n44w072", "srtm3_N44W072_white_mountains.tif", "test"),
    "thuringia": ("n50e011", "srtm3_N50E011_thuringia_highlands.tif", "valid"),
    "jura": ("n49e011", "srtm3_N49E011_franconian_jura.tif", "train"),
}
SEA = {
    "balanus": {"domain": "marine", "product": "gmrt", "box": [-65.7, 39.1, -65.1, 39.7]},
    "sabine": {"domain": "marine", "product": "cudem", "box": [-94.0, 29.7, -93.8, 29.9]},
    "ningaloo": {"domain": "marine", "product": "boem", "box": [113.4, -22.9, 114.5, -21.5]},
}


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer(latency_s=0.01).running() as running:
        yield running


def serve_products(server: FaultServer, data: Path) -> dict[str, object]:
    """Serve tiles cut from the development data; return the regions that ask for them."""
    truths, regions, boxes = [], {}, []
    for name, (tile, file, _) in LAND.items():
        dem = read_dem(data / "land" / file, vertical_datum="EGM96")
        serve_nasadem(server, tile, dem.elevation_m, water=dem.elevation_m <= 0)
        lat, lon = int(tile[1:3]), int(tile[4:]) * (-1 if tile[3] == "w" else 1)
        south = lat - 0.5 if name == "white-mountains" else lat  # that neighbour is not listed, as if it lay at sea
        regions[name] = {"domain": "land", "product": "nasadem", "box": [lon, south, lon + 1, lat + 1]}
        boxes.append((lon, south, lon + 1, lat + 1))
        truths.append(dem)
    marine = {name: dict(region) for name, region in SEA.items()}
    gmrt = read_dem(data / "marine" / "gmrt_balanus_seamount.tif", vertical_datum="MSL")
    balanus = FetchRegion(name="balanus", domain="marine", product="gmrt", box=cell_at(-65.5, 39.5))
    (request,) = raster_requests(data_sheet("gmrt"), balanus)
    server.files[path_of(request.file.url)] = Served((data / "marine" / "gmrt_balanus_seamount.tif").read_bytes())
    sabine = (data / "marine" / "cudem_sabine_lake.tif").read_bytes()
    server.files["/cudem/sabine.tif"] = Served(sabine)
    marine["sabine"]["urls"] = [f"{server.url}/cudem/sabine.tif"]
    survey = read_dem(data / "marine" / "utm50m_ningaloo_multibeam.tif", vertical_datum="MSL")
    metres = np.where(survey.valid, survey.elevation_m, np.float32(-3.4028235e38))
    grid = survey.grid  # with the voids of BOEM, whose files declare others
    tif = geotiff(metres, (grid.west, grid.south, grid.east, grid.north), crs=grid.crs, nodata=0.0)
    server.files["/boem/west.zip"] = Served(zipped(BOEMbathyW_m__tif=tif), faults=["reset", "503 0"])
    marine["ningaloo"]["urls"] = [f"{server.url}/boem/west.zip"]
    truths += [
        read_dem(data / "marine" / "cudem_sabine_lake.tif", vertical_datum="NAVD88"),
        survey,
    ]
    boxes += [tuple(region["box"]) for region in marine.values()]
    real = read_dem(next((data / "gebco").glob("gebco_2024_n39*.nc")))
    serve_gebco(server, "gebco-2021", boxes, truths, [gmrt, real])
    return regions | marine


@pytest.fixture(scope="module")
def fetched(root: Path, shared: Path, server: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone in which the stages of `paper` ran, with other regions and a net that trains in a second."""
    regions = serve_products(server, shared / "data")
    project = copy_of(root, tmp_path_factory.mktemp("paper") / "demsr")
    project.env |= {"DEMSR_CACHE": str(project.folder.parent / "cache"), "EARTHDATA_TOKEN": "secret"}
    project.run_fork("demsr", "profile", "paper")
    path = project.folder / "params.yaml"
    yaml = YAML()
    params = yaml.load(path.read_text())
    params["fetch"]["remote"] |= {
        "regions": regions,
        "mirrors": served_by(server, "nasadem", "gebco-2021", "gmrt"),
    }
    params["pairs"] |= {"patch_lr": 16, "max_void_share": 0.5, "min_relief_m": 0.5}
    params["pairs"]["land"] |= {
        "valid": ["thuringia__*"],
        "test": ["white-mountains__*"],
        "count": 300,
        "stride_hr": 80,
    }
    params["pairs"]["marine"] |= {"valid": ["sabine__*"], "test": ["balanus__*"], "count": None}
    params["model"] |= {"num_blocks": 1, "features": 6}
    params["base"]["processes"] = 1  # starting others takes longer than this little work
    for stage in ("pretrain", "finetune"):
        params[stage] |= {"max_epochs": 1, "precision": "32-true", "workers": 0}
    with path.open("w") as file:
        yaml.dump(params, file)
    project.commit()
    printed = [project.run_fork(f"pipelines/{stage}.py") for stage in STAGES]
    project.printed = "".join(printed)  # type: ignore[attr-defined]
    return project


def test_the_stages_find_and_leave_all_files_of_dvc_yaml(fetched):
    printed = fetched.run_fork("dvc", "status", "--json")
    assert set(json.loads(printed)) == set(STAGES)  # none is in a dvc.lock
    assert '"deleted"' not in printed  # as DVC calls files that are missing


def test_real_pairs_of_all_splits_come_from_the_products(fetched):
    for domain, splits in (("land", LAND), ("marine", None)):
        for split in ("train", "valid", "test"):
            pairs = PairFile(fetched.folder / "data" / "pairs" / domain / f"{split}.h5")
            real = [area for area in pairs.areas if area.degradation == "real"]
            assert {area.degradation for area in pairs.areas} == ({"gebco", "real"} if domain == "land" else {"real"})
            assert all("LR gebco-2021" in area.name for area in real)
            if splits:
                names = {area.name.partition("__")[0] for area in pairs.areas}
                assert names == {name for name, (_, _, use) in LAND.items() if use == split}
    summary = json.loads((fetched.folder / "results/pairs/summary.json").read_text())
    sampling = summary["land"]["sampling"]
    assert sum(sampling["kept"].values()) == 300 == sampling["asked"]
    assert summary["land"]["train"]["pairs"] == sampling["kept"]["train"]
    assert summary["land"]["valid"]["pairs"] == sampling["kept"]["valid"]
    assert "asked for 300 pairs" in sampling["how"]


def test_provenance_names_products_licences_and_checksums_and_is_in_runs_and_cards(fetched):
    from mlflow import MlflowClient

    found = json.loads((fetched.folder / "results/fetch/provenance.json").read_text())
    products = {row["product"]: row for row in found["products"]}
    assert set(products) == {"nasadem", "gmrt", "cudem", "boem", "gebco-2021", "gebco-2021-tid"}
    assert products["nasadem"]["files"] == 3
    assert products["gmrt"]["licence"] == "CC BY 4.0"
    assert all(len(file["sha256"]) == 64 for file in found["files"])
    client = MlflowClient(f"sqlite:///{fetched.folder / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("dem-srnet").experiment_id])
    for run in runs:
        kept = [file.path for file in client.list_artifacts(run.info.run_id)]
        if run.data.tags["stage"] == "pairs":
            assert "provenance.json" in kept
        if run.data.tags["stage"] in ("pretrain", "finetune"):
            assert "products.json" in kept
    (card,) = client.search_model_versions("name='dem-srnet-finetuned'")
    assert "NASADEM Merged DEM Global 1 arc second 001" in card.description
    assert "10.1029/2008GC002332" in card.description
    assert card.description.count("10.5285/c6612cbe") == 1  # of the grid and of its source types
    (land,) = client.search_model_versions("name='dem-srnet-pretrained'")
    assert "NASADEM" in land.description
    assert "GMRT" not in land.description
    assert "Global Multi-Resolution" not in land.description


def test_unlisted_tiles_are_not_requested_and_mirrors_receive_no_token(fetched, server):
    asked = [path for path, _ in server.seen]
    assert not any("n43w072" in path for path in asked)
    assert all("Authorization" not in headers for _, headers in server.seen)  # mirrors are never given a token
    assert asked.count("/boem/west.zip") == 3  # a reset and a 503 in between


def test_licences_are_shown_and_a_second_clone_requests_only_the_catalogue(fetched, server, tmp_path):
    assert "nasadem: open without restriction" in fetched.printed
    server.seen.clear()
    fetched.run("git", "clone", "-q", str(fetched.folder), str(tmp_path / "second"))
    second = Project(tmp_path / "second")
    second.env |= {name: fetched.env[name] for name in ("DEMSR_CACHE", "EARTHDATA_TOKEN")}
    second.run_fork("pipelines/fetch.py")
    assert {path for path, _ in server.seen} == {"/search/granules.json"}
    listed = (folder / "data" / "raw" / "inputs.json" for folder in (fetched.folder, second.folder))
    assert len({path.read_text() for path in listed}) == 1


def test_a_file_missing_from_the_cache_is_reported_with_the_command_that_restores_it(fetched):
    lost = next((Path(fetched.env["DEMSR_CACHE"]) / "files").rglob("NASADEM_HGT_n44w072.zip"))
    content = lost.read_bytes()
    lost.unlink()
    try:
        printed = fetched.run_fork("pipelines/harmonise.py", expect=1)
    finally:
        lost.write_bytes(content)
    assert "dvc repro --force --single-item fetch" in printed
