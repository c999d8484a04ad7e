from demsr.runtime.files import sha256_of_text
from demsr.sources.manifest import InputFile, write_manifest
from demsr.sources.provenance import provenance, without_dates

FETCHED = [
    InputFile("cache:files/b/b/n1.zip", 10, "b" * 64, "alps__n1", "nasadem", "https://example.org/n1.zip"),
    InputFile("cache:files/a/a/n2.zip", 20, "a" * 64, "alps__n2", "nasadem", "https://example.org/n2.zip"),
]
OWN = InputFile("data/local/marine/survey.tif", 5, "c" * 64)


def test_each_product_has_a_row_with_licence_citation_and_checksum():
    nasadem, own = sorted(
        provenance({"land": FETCHED, "marine": [OWN]}, source="local")["products"], key=lambda row: -row["files"]
    )
    assert (nasadem["product"], nasadem["files"], nasadem["bytes"]) == ("nasadem", 2, 30)
    assert nasadem["sha256"] == sha256_of_text("a" * 64 + "b" * 64)
    assert nasadem["doi"] == "10.5067/MEASURES/NASADEM/NASADEM_HGT.001"
    assert nasadem["commercial"] == "allowed"
    assert nasadem["kinds"] == ["land"]
    assert own == {
        "product": "local",
        "kinds": ["marine"],
        "title": "Rasters of the user",
        "files": 1,
        "bytes": 5,
        "sha256": sha256_of_text("c" * 64),
    }


def test_the_checksum_does_not_depend_on_the_order_of_files():
    one, other = (provenance({"land": files}, source="local") for files in (FETCHED, FETCHED[::-1]))
    assert one["products"] == other["products"]


def test_each_file_is_named_with_where_it_came_from():
    found = provenance({"land": FETCHED[:1], "marine": [OWN], "lr": [], "lr_tid": []}, source="local")["files"]
    assert [(file["kind"], file["name"], file["origin"], file["sha256"]) for file in found] == [
        ("land", "alps__n1", "https://example.org/n1.zip", "b" * 64),
        ("marine", "survey", "data/local/marine/survey.tif", "c" * 64),
    ]


def test_source_types_have_the_data_sheet_of_their_grid():
    types = InputFile("cache:x", 1, "d" * 64, "gebco-2021-tid", "gebco-2021-tid", "https://example.org/tid")
    (row,) = provenance({"lr_tid": [types]}, source="remote")["products"]
    assert row["title"] == "GEBCO_2021 Grid, source types"
    assert row["product"] == "gebco-2021-tid"


def test_dates_are_kept_except_in_dependencies_of_training(tmp_path):
    served = [InputFile("cache:x", 1, digit * 64, "a", "gmrt", fetched_on=f"2026-11-0{digit}") for digit in "12"]
    (row,) = provenance({"marine": served}, source="remote")["products"]
    assert row["fetched_on"] == "2026-11-01 to 2026-11-02"
    assert "fetched_on" not in without_dates([row])[0]
    write_manifest(tmp_path / "inputs.json", {"marine": served})
    assert "2026" not in (tmp_path / "inputs.json").read_text()
