"""Files and a server that no raster may reach, and raster files that try to reach them. Needs Linux (inotify)."""

import contextlib
import ctypes
import html
import math
import os
import socket
import struct
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import rasterio
from numpy.typing import NDArray
from synthetic import NORTH_UP, write_raw

_IN_OPEN = 0x20
_EVENT = struct.Struct("iIII")  # inotify_event: watch, mask, cookie, length of the name that follows
_SIDE = 24


class Outside:
    """A folder whose opened files are counted, and a port whose connections are counted.

    Attributes
    ----------
    raster : GeoTIFF in the folder
    text : text file in the folder
    hdf5 : HDF5 file in the folder with a dataset `elevation`
    url : address of the port
    """

    def __init__(self, folder: Path, server: socket.socket, inotify: int) -> None:
        self.raster, self.text, self.hdf5 = folder / "secret.tif", folder / "passwd", folder / "secret.nc"
        self.url = f"http://127.0.0.1:{server.getsockname()[1]}"
        self._server, self._inotify = server, inotify

    def reached(self) -> list[str]:
        """Return the names of the files that were opened since the last call, and a word for each connection."""
        events, reached = b"", []
        with contextlib.suppress(BlockingIOError):
            while more := os.read(self._inotify, 1 << 16):
                events += more
        while events:
            length = _EVENT.unpack_from(events)[-1]
            reached.append(events[_EVENT.size :][:length].rstrip(b"\0").decode())
            events = events[_EVENT.size + length :]
        with contextlib.suppress(BlockingIOError):
            while True:
                self._server.accept()[0].close()
                reached.append("connection")
        return [name for name in reached if name]  # the folder itself has no name


@contextlib.contextmanager
def outside(folder: Path) -> Iterator[Outside]:
    """Make a folder of files that nothing may open, and listen on a port to which nothing may connect."""
    folder.mkdir(parents=True)
    write_raw(folder / "secret.tif", np.full((_SIDE, _SIDE), 77, np.float32))
    (folder / "passwd").write_text("root:x:0:0:root:/root:/bin/bash\n" * 40)
    with h5py.File(folder / "secret.nc", "w") as file:
        file["elevation"] = np.full((_SIDE, _SIDE), 77, np.float32)
    libc = ctypes.CDLL(None, use_errno=True)
    inotify = libc.inotify_init1(os.O_NONBLOCK)
    libc.inotify_add_watch(inotify, os.fsencode(folder), _IN_OPEN)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        try:
            yield Outside(folder, server, inotify)
        finally:
            os.close(inotify)


def vrt(*band: str, root: str = "", kind: str = "", before: str = "") -> str:
    """Return a VRT of 24 x 24 pixels on 15 arc-second cells.

    Parameters
    ----------
    band : elements of its band
    root : kind of the data set, for its attribute `subClass`
    kind : kind of the band, likewise
    before : elements before the band
    """
    of_root, of_band = (f' subClass="{name}"' if name else "" for name in (root, kind))
    return (
        f'<VRTDataset rasterXSize="{_SIDE}" rasterYSize="{_SIDE}"{of_root}><SRS>EPSG:4326</SRS><GeoTransform>10, '
        f"0.00416666666666, 0, 50, 0, -0.00416666666666</GeoTransform>{before}"
        f'<VRTRasterBand dataType="Float32" band="1"{of_band}>{"".join(band)}</VRTRasterBand></VRTDataset>'
    )


def simple_source(name: object, *, relative: int = 0) -> str:
    """Return a source of a VRT with its sizes, as gdalbuildvrt writes it."""
    rectangles = "".join(
        f'<{kind} xOff="0" yOff="0" xSize="{_SIDE}" ySize="{_SIDE}"/>' for kind in ("SrcRect", "DstRect")
    )
    return (
        f'<SimpleSource><SourceFilename relativeToVRT="{relative}" shared="0">{name}</SourceFilename>'
        f'<SourceBand>1</SourceBand><SourceProperties RasterXSize="{_SIDE}" RasterYSize="{_SIDE}" DataType="Float32" '
        f'BlockXSize="{_SIDE}" BlockYSize="{_SIDE}"/>{rectangles}</SimpleSource>'
    )


def wms(url: str) -> str:
    """Return a description of a map service, which GDAL takes for a raster."""
    return (
        f'<GDAL_WMS><Service name="TMS"><ServerUrl>{url}/${{z}}/${{x}}/${{y}}.tif</ServerUrl></Service><DataWindow>'
        "<UpperLeftX>10</UpperLeftX><UpperLeftY>50</UpperLeftY><LowerRightX>10.1</LowerRightX><LowerRightY>49.9"
        f"</LowerRightY><SizeX>{_SIDE}</SizeX><SizeY>{_SIDE}</SizeY><TileLevel>0</TileLevel></DataWindow><Projection>"
        "EPSG:4326</Projection><BandsCount>1</BandsCount><DataType>Float32</DataType></GDAL_WMS>"
    )


def pointing_files(folder: Path, there: Outside) -> dict[str, Path]:
    """Write rasters that point to files outside their folder or to a server, one of each kind, named `trap`."""
    own, secret = simple_source("own.tif", relative=1), simple_source(there.raster)
    secret_file = f"<SourceFilename>{there.raster}</SourceFilename>"
    offsets = f"<ImageOffset>0</ImageOffset><PixelOffset>1</PixelOffset><LineOffset>{_SIDE}</LineOffset>"
    python = "<PixelFunctionLanguage>Python</PixelFunctionLanguage><PixelFunctionType>os.system</PixelFunctionType>"
    warp = f"<GDALWarpOptions><SourceDataset>{there.raster}</SourceDataset></GDALWarpOptions>"
    tag = f'<Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{there.raster}</MDI></Metadata>'
    mask = f'<MaskBand><VRTRasterBand dataType="Byte">{secret}</VRTRasterBand></MaskBand>'
    texts = {
        "absolute.vrt": vrt(secret),
        "relative.vrt": vrt(simple_source(os.path.relpath(there.raster, folder / "x"), relative=1)),
        "curl.vrt": vrt(simple_source(f"/vsicurl/{there.url}/a.tif")),
        "zipped.vrt": vrt(simple_source(f"/vsizip/{there.raster}/a.tif")),
        "netcdf.vrt": vrt(simple_source(f'NETCDF:"{there.hdf5}":elevation')),
        "inline.vrt": vrt(simple_source(html.escape(vrt(secret), quote=False))),
        "linked.vrt": vrt(simple_source("link.tif", relative=1)),
        "service.vrt": vrt(simple_source("wms.xml", relative=1)),
        "nested.vrt": vrt(simple_source("absolute.vrt", relative=1)),
        "mask.vrt": vrt(own, mask),
        "overview.vrt": vrt(f"<Overview>{secret_file}<SourceBand>1</SourceBand></Overview>", own),
        "raw.vrt": vrt(f"<SourceFilename>{there.text}</SourceFilename>{offsets}", kind="VRTRawRasterBand"),
        "pixels.vrt": vrt(python, own, kind="VRTDerivedRasterBand"),
        "warped.vrt": vrt(root="VRTWarpedDataset", before=warp),
        "tags.vrt": vrt(own, before=tag),
        "entity.vrt": f'<!DOCTYPE a [<!ENTITY e SYSTEM "file://{there.text}">]>' + vrt(simple_source("&e;")),
        "attribute.vrt": vrt(own.replace("<SimpleSource>", f'<SimpleSource SourceFilename="{there.raster}">')),
        "letters.vrt": vrt(offsets).replace(
            " band=", f' subclass="VRTRawRasterBand" SourceFilename="{there.text}" band='
        ),
        "shifts.vrt": vrt(own).replace("EPSG:4326", f"+proj=longlat +ellps=bessel +nadgrids={there.text} +type=crs"),
        "init.vrt": vrt(own).replace("EPSG:4326", f"+init={there.text}:4326"),
        "disguised.tif": vrt(secret),
        "wms.tif": wms(there.url),
        "wcs.tif": f"<WCS_GDAL><ServiceURL>{there.url}/wcs?</ServiceURL><CoverageName>a</CoverageName></WCS_GDAL>",
    }
    files = {}
    for name, text in texts.items():
        files[name] = folder / name / f"trap{Path(name).suffix}"
        write_raw_beside(files[name])
        files[name].write_text(text)
    files["linked.vrt"].with_name("link.tif").symlink_to(there.raster)
    files["service.vrt"].with_name("wms.xml").write_text(wms(there.url))
    files["nested.vrt"].with_name("absolute.vrt").write_text(texts["absolute.vrt"])
    for name, beside in (("mask", "msk"), ("overviews", "ovr")):
        files[name] = write_raw_beside(folder / name / "trap.tif", name="trap.tif")
        files[name].with_name(f"trap.tif.{beside}").write_text(texts["absolute.vrt"])
    files["tags"] = write_raw_beside(folder / "tags" / "trap.tif", name="trap.tif")
    with rasterio.open(files["tags"], "r+") as file:
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(there.raster))
    for name, beside in (("header.bil", "hdr"), ("metadata.tif", "IMD")):
        files[name] = folder / name / f"trap{Path(name).suffix}"
        files[name].parent.mkdir(parents=True)
        driver = "EHdr" if beside == "hdr" else "GTiff"
        with rasterio.open(files[name], "w", driver, _SIDE, _SIDE, 1, dtype="float32", transform=NORTH_UP) as file:
            file.write(plain(), 1)
        files[name].with_suffix(f".{beside}").unlink(missing_ok=True)
        files[name].with_suffix(f".{beside}").symlink_to(there.text)
    files["twice.zip"] = write_raw_beside(folder / "twice.zip" / "trap.zip")
    with zipfile.ZipFile(files["twice.zip"], "w") as archive, warnings.catch_warnings(action="ignore"):
        for name, content in (("a.tif", None), ("a.tif.ovr", texts["absolute.vrt"]), ("a.tif.ovr", None)):
            own_content = files["twice.zip"].with_name("own.tif").read_bytes()
            archive.writestr(name, own_content if content is None else content)
    files["shifts.nc"] = folder / "shifts.nc" / "trap.nc"
    files["shifts.nc"].parent.mkdir(parents=True)
    with h5py.File(files["shifts.nc"], "w") as file:
        file["elevation"] = plain()
        file["crs"] = 0
        file["crs"].attrs["spatial_ref"] = f'BOUNDCRS[PARAMETERFILE["grid","{there.text}"]]'
    for kind in ("external", "stored", "virtual"):
        files[kind] = folder / kind / "trap.nc"
        files[kind].parent.mkdir(parents=True)
        with h5py.File(files[kind], "w", libver="v110") as file:
            refer(file, "elevation", kind, there.hdf5, (_SIDE, _SIDE))
    return files


def write_raw_beside(path: Path, *, name: str = "own.tif") -> Path:
    """Write a raster into the folder of a file and return the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_raw(path.with_name(name), plain())
    return path


def plain() -> NDArray[np.float32]:
    """Return the elevation of `own.tif`."""
    return np.arange(_SIDE * _SIDE, dtype=np.float32).reshape(_SIDE, _SIDE)


def refer(file: h5py.File, name: str, kind: str, source: Path, shape: tuple[int, ...]) -> None:
    """Add a float32 dataset to an HDF5 file whose values are in the dataset of the same name of another file."""
    if kind == "external":
        file[name] = h5py.ExternalLink(str(source), name)
    elif kind == "stored":
        file.create_dataset(name, shape, "f4", external=[(str(source), 0, 4 * math.prod(shape))])
    else:
        layout = h5py.VirtualLayout(shape, "f4")
        layout[:] = h5py.VirtualSource(str(source), name, shape)
        file.create_virtual_dataset(name, layout)
