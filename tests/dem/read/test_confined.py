import os
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from outside import outside, plain, pointing_files, simple_source, vrt, wms, write_raw_beside
from raster_files import write_hgt
from synthetic import NORTH_UP, plane, write_raw

from demsr.dem.read.confined import check_companion, is_vrt, local_files_only, open_local
from demsr.dem.read.gdal import sidecar_files
from demsr.dem.read.header import read_header
from demsr.dem.read.raster import read_raster
from demsr.dem.read.stream import open_raster
from demsr.errors import RasterError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="opened files are watched by ways of Linux")


@pytest.fixture
def there(tmp_path):
    with outside(tmp_path / "outside") as place:
        yield place


def test_files_and_servers_that_a_raster_points_to_are_never_reached(there, tmp_path):
    files = pointing_files(tmp_path / "in", there)
    assert len(files) > 20
    for kind, path in files.items():
        with pytest.raises(RasterError, match=r"trap\.\w+: "):
            read_raster(path, vertical_datum="MSL")
        assert sidecar_files(path) == [], kind
        assert there.reached() == [], kind


def test_watch_notices_what_gdal_reads_unless_it_is_confined(there, tmp_path):
    files = pointing_files(tmp_path / "in", there)
    for kind in ("absolute.vrt", "disguised.tif"):
        with rasterio.open(files[kind]) as dataset:
            dataset.read(1, masked=True)
        assert "secret.tif" in there.reached(), kind


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("absolute.vrt", r"points to '.*/outside/secret\.tif', which is no regular file in or below its own folder"),
        ("curl.vrt", r"points to '.*/vsicurl/http://127.0.0.1:\d+/a\.tif', which is no regular file"),
        ("raw.vrt", r"points to '.*/outside/passwd', which is no regular file in or below its own folder"),
        ("warped.vrt", r"points to '.*/outside/secret\.tif'"),
        ("pixels.vrt", "a VRT with 'VRTRasterBand VRTDerivedRasterBand'; only plain mosaics are read"),
        ("tags.vrt", "a VRT with 'Metadata OVERVIEWS'"),
        ("attribute.vrt", "a VRT with 'SimpleSource SourceFilename'"),
        ("shifts.vrt", "its CRS names a file"),
        ("shifts.nc", "its CRS names a file"),
        ("header.bil", r"points to '.*trap\.hdr', which is no regular file"),
        ("twice.zip", "holds two files of the same name; pack it again"),
        ("entity.vrt", "a VRT that is no well-formed XML .* or has a DOCTYPE"),
        ("wms.tif", "not recognized as being in a supported file format"),
        ("mask", r"the file trap\.tif\.msk beside it is neither TIFF nor Imagine; remove it"),
        ("tags", "its tags OVERVIEWS name another file; remove them"),
        ("external", "its object elevation is a link to the file '.*secret.nc'; copy the values into it"),
        ("virtual", "its values elevation are in the file '.*secret.nc'"),
    ],
)
def test_what_a_raster_points_to_is_named(there, tmp_path, kind, found):
    with pytest.raises(RasterError, match=found):
        read_raster(pointing_files(tmp_path / "in", there)[kind], vertical_datum="MSL")


def test_vrt_of_files_in_and_below_its_folder_is_read_and_all_are_in_the_checksum(tmp_path):
    folder = tmp_path / "a folder & more"
    write_raw_beside(folder / "deep" / "x.vrt").write_text(vrt(simple_source("own.tif", relative=1)))
    path = write_raw_beside(folder / "top.vrt")
    path.write_text(vrt(simple_source("deep/x.vrt", relative=1)))
    np.testing.assert_array_equal(read_raster(path, vertical_datum="MSL").dem.elevation_m, plain())
    assert sidecar_files(path) == [folder / "deep/x.vrt", folder / "deep/own.tif"]
    with open_raster(path) as raster:
        before = raster.sha256
        (folder / "deep/own.tif").write_bytes((folder / "deep/own.tif").read_bytes() + b" ")
        with pytest.raises(RasterError, match="changed while it was read"):
            raster.check_unchanged()
    with open_raster(path) as raster:
        assert raster.sha256 != before


def test_vrt_keeps_voids_scale_and_mask_of_its_sources(tmp_path):
    values = np.arange(24 * 24, dtype=np.int16).reshape(24, 24)
    write_raw(tmp_path / "own.tif", values, nodata=7)
    scaled = "<NoDataValue>7</NoDataValue><Scale>0.5</Scale><Offset>100</Offset>" + simple_source(tmp_path / "own.tif")
    (tmp_path / "a.vrt").write_text(vrt(scaled))
    found = read_raster(tmp_path / "a.vrt", vertical_datum="MSL").dem.elevation_m
    np.testing.assert_array_equal(found, np.where(values == 7, np.nan, values * 0.5 + 100).astype(np.float32))


def test_vrt_that_gdal_refuses_is_named_by_its_file(tmp_path):
    path = write_raw_beside(tmp_path / "a.vrt")
    path.write_text(vrt(simple_source("own.tif", relative=1)).replace("<SourceBand>1", "<SourceBand>7"))
    with pytest.raises(RasterError, match=r"a\.vrt: cannot be read as a raster \(") as raised:
        read_raster(path, vertical_datum="MSL")
    assert "<" not in str(raised.value)


def test_vrts_in_one_another_end(tmp_path):
    (tmp_path / "a.vrt").write_text(vrt(simple_source("a.vrt", relative=1)))
    with pytest.raises(
        RasterError, match=r"a\.vrt: its source .*a\.vrt: is reached through 4 VRTs; convert one of them"
    ):
        read_raster(tmp_path / "a.vrt")


def test_question_mark_in_a_source_is_refused(tmp_path):
    write_raw(tmp_path / "a?b.tif", plain())
    (tmp_path / "a.vrt").write_text(vrt(simple_source("a?b.tif", relative=1)))
    with pytest.raises(RasterError, match="has a question mark"):
        read_raster(tmp_path / "a.vrt")


def test_raster_is_recognised_by_its_content(tmp_path):
    write_raw(tmp_path / "a.tif", plain())
    (tmp_path / "a.tif").rename(tmp_path / "a.vrt")
    np.testing.assert_array_equal(read_raster(tmp_path / "a.vrt", vertical_datum="MSL").dem.elevation_m, plain())
    assert is_vrt(b"\xef\xbb\xbf\n<?xml version='1.0'?><VRTDataset")
    assert not is_vrt(b"II*\0 <VRTDataset")


def test_vrt_in_an_archive_is_refused(there, tmp_path):
    tile = write_hgt(tmp_path, plane(1201, 1201))
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.writestr("trap.tif", vrt(simple_source(there.raster)))
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(tile, tile.name)
        archive.writestr(f"{tile.name}.msk", wms(there.url))
    for name, found in (("one", "holds trap.tif, which is a VRT"), ("two", "N43E007.hgt.msk beside it is neither")):
        with pytest.raises(RasterError, match=rf"{name}\.zip: .*{found}"):
            read_raster(tmp_path / f"{name}.zip", vertical_datum="MSL")
    assert there.reached() == []


def test_imagine_file_with_its_values_elsewhere_is_refused(there, tmp_path):
    inside, elsewhere = tmp_path / "in" / "twenty_letters_long.img", there.raster.with_name("letters.ige")
    inside.parent.mkdir()
    profile = {"driver": "HFA", "height": 24, "width": 24, "count": 1, "dtype": "float32", "transform": NORTH_UP}
    with rasterio.open(inside, "w", **profile, USE_SPILL="YES") as file:
        file.write(plain(), 1)
    assert sidecar_files(inside) == [inside.with_suffix(".ige")]
    inside.with_suffix(".ige").rename(elsewhere)
    content, name = inside.read_bytes(), b"../outside/letters.ige\0"
    assert content.count(b"twenty_letters_long.ige") == 1
    inside.write_bytes(content.replace(b"twenty_letters_long.ige", name))
    with rasterio.open(inside) as dataset:
        np.testing.assert_array_equal(dataset.read(1), plain())
    assert "letters.ige" in there.reached()
    with pytest.raises(RasterError, match=r"long\.img: points to '.*/outside/letters\.ige', which is no regular file"):
        read_raster(inside)
    assert there.reached() == []


def test_overviews_and_masks_of_gdal_are_accepted(tmp_path):
    path = write_raw(tmp_path / "a.tif", np.tile(plain(), (30, 30)))
    with rasterio.Env(TIFF_USE_OVR="YES", GDAL_TIFF_INTERNAL_MASK="NO"), rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])
        file.write_mask(file.read(1) > 5)
    assert {file.name for file in tmp_path.iterdir()} == {"a.tif", "a.tif.ovr", "a.tif.msk"}
    elevation = read_raster(path, vertical_datum="MSL").dem.elevation_m
    assert np.isnan(elevation).sum() == 6 * 30 * 30
    assert [file.name for file in sidecar_files(path)] == ["a.tif.msk", "a.tif.ovr"]


def test_companion_is_judged_by_its_first_bytes(tmp_path):
    for head in (b"II*\0", b"MM\0+", b"EHFA_HEADER_TAG\0"):
        check_companion("a.tif.ovr", head, where=tmp_path)
    check_companion("a.prj", b"PROJCS", where=tmp_path)
    for head in (b"", b"<VRTDataset", b"EHFA_HEADER_TAG<VRTDataset"):
        with pytest.raises(RasterError, match=r"the file a\.AUX beside it is neither TIFF nor Imagine"):
            check_companion("a.AUX", head, where=tmp_path)


def test_address_in_the_place_of_a_crs_is_not_asked(there, tmp_path):
    path = write_raw_beside(tmp_path / "a.vrt")
    path.write_text(vrt(simple_source("own.tif", relative=1)).replace("EPSG:4326", f"{there.url}/crs"))
    np.testing.assert_array_equal(read_raster(path, vertical_datum="MSL").dem.elevation_m, plain())
    assert there.reached() == []


def test_connection_is_impossible_while_rasters_are_read(there):
    with local_files_only(), pytest.raises(rasterio.errors.RasterioIOError):
        open_local(f"/vsicurl/{there.url}/a.tif", Path("a.tif"))
    assert there.reached() == []


def many(name: str, count: int) -> str:
    """Return a VRT with many times the same source."""
    return vrt(*[simple_source(name, relative=1)] * count)


def test_sources_that_multiply_are_refused_soon(tmp_path):
    write_raw_beside(tmp_path / "0.vrt").write_text(many("own.tif", 400))
    for level in range(1, 3):
        (tmp_path / f"{level}.vrt").write_text(many(f"{level - 1}.vrt", 400))
    start = time.monotonic()
    with pytest.raises(
        RasterError, match=r"\.vrt: a VRT of [\d,]+ bytes, with the VRTs in it; at most 67,108,864 are read"
    ):
        read_raster(tmp_path / "2.vrt")
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("suffix", "rows", "cols"),
    [
        *((suffix, 10**6, 10**6) for suffix in ("tif", "vrt", "asc", "nc", "zip")),
        *((suffix, *shape) for suffix in ("tif", "vrt", "nc") for shape in ((3, 10**8), (10**8, 3))),
    ],
)
def test_giants_of_few_bytes_are_refused_soon(tmp_path, suffix, rows, cols):
    path, profile = tmp_path / f"a.{suffix}", {"height": rows, "width": cols, "count": 1, "dtype": "int16"}
    if suffix in ("tif", "zip"):
        blocks = {"tiled": True, "blockxsize": 8192, "blockysize": 8192, "sparse_ok": True, "bigtiff": True}
        with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", transform=NORTH_UP, **profile, **blocks):
            pass
    if suffix == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(tmp_path / "a.tif", "a.tif")
    elif suffix == "vrt":
        size = f'rasterXSize="{cols}" rasterYSize="{rows}"'
        path.write_text(vrt().replace('rasterXSize="24" rasterYSize="24"', size))
    elif suffix == "asc":
        path.write_text(f"ncols {cols}\nnrows {rows}\nxllcorner 10\nyllcorner 50\ncellsize 1e-6\n1 2 3\n")
    elif suffix == "nc":
        with h5py.File(path, "w") as file:
            file.create_dataset("elevation", (rows, cols), "i2", chunks=(1000, 1000) if min(rows, cols) > 3 else (3, 3))
            for place, (axis, size) in enumerate({"lat": rows, "lon": cols}.items()):
                file.create_dataset(axis, (size,), "f8", chunks=(min(size, 1000),)).make_scale(axis)
                file["elevation"].dims[place].attach_scale(file[axis])
    start = time.monotonic()
    with pytest.raises(RasterError, match=rf"a\.{suffix}: declares .* at most [\d,]+ .*cut it first"):
        read_header(path)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(("kind", "number"), [("Float32", -77.0), ("Int16", -77.0)])
def test_voids_of_the_sources_and_gaps_between_them_are_voids_of_a_vrt(tmp_path, kind, number):
    values = plane(4, 6, level=300)
    values[1, 2] = number
    write_raw(tmp_path / "a.tif", values[:, :4], nodata=number)
    part = '<SrcRect xOff="0" yOff="0" xSize="4" ySize="4"/><DstRect xOff="0" yOff="0" xSize="4" ySize="4"/>'
    source = f'<SourceFilename relativeToVRT="1">a.tif</SourceFilename><SourceBand>1</SourceBand>{part}'
    path = tmp_path / "a.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="6" rasterYSize="4"><SRS>EPSG:4326</SRS><GeoTransform>10,1,0,50,0,-1</GeoTransform>'
        f'<VRTRasterBand dataType="{kind}" band="1"><SimpleSource>{source}</SimpleSource></VRTRasterBand></VRTDataset>'
    )
    expected = values.copy()
    expected[1, 2] = expected[:, 4:] = np.nan
    found = read_raster(path, vertical_datum="MSL").dem.elevation_m
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, atol=0.5)


@pytest.mark.parametrize("suffix", ["tif", "vrt", "nc"])
def test_large_rasters_with_next_to_no_bytes_are_refused_soon(tmp_path, suffix):
    path, side = tmp_path / f"a.{suffix}", 100_000
    if suffix == "tif":
        blocks = {"tiled": True, "blockxsize": 4096, "blockysize": 4096, "sparse_ok": True, "bigtiff": True}
        with rasterio.open(path, "w", "GTiff", side, side, 1, dtype="float32", transform=NORTH_UP, **blocks):
            pass
    elif suffix == "vrt":
        path.write_text(vrt().replace('Size="24"', f'Size="{side}"'))
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("elevation", (side, side), "f4", chunks=(1000, 1000))
    start = time.monotonic()
    with pytest.raises(RasterError, match=rf"a\.{suffix}: declares 100,000 x 100,000 pixels and holds [\d,]+ bytes"):
        read_header(path)
    assert time.monotonic() - start < 5


def test_links_to_other_rasters_beside_a_raster_are_no_business_of_it(tmp_path):
    path = write_raw_beside(tmp_path / "in" / "a.vrt", name="a.tif").with_suffix(".tif")
    write_raw(tmp_path / "cached.tif", plain())
    for name in ("a.hgt", "b.tif", "a.tif.json", "b.hdr", "readme.txt"):
        path.with_name(name).symlink_to(tmp_path / "cached.tif")
    assert read_raster(path, vertical_datum="MSL").dem.elevation_m.max() == plain().max()


def test_pipe_is_no_raster(tmp_path):
    os.mkfifo(tmp_path / "a.tif")
    with pytest.raises(RasterError, match=r"a\.tif: is a pipe or a device; give a regular file"):
        read_raster(tmp_path / "a.tif")
