"""Compressed files and members of zip archives, refused where a few bytes would unpack to very many."""

import zipfile
from pathlib import Path
from typing import IO

_HARMLESS_BYTES = 1 << 28  # unpacked in about a second
_PART_BYTES = 1 << 20
_LARGEST_RATIO = 100  # of unpacked to packed bytes; elevation has 2 to 10, DEFLATE reaches 1032 with zeros


def largest_unpacked(packed_bytes: int) -> int:
    """Return the most bytes that so many packed bytes may unpack to."""
    return max(_HARMLESS_BYTES, _LARGEST_RATIO * packed_bytes)


def open_member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """Open a member for reading; its bytes end at the size that the archive declares.

    Parameters
    ----------
    archive : open archive on the disk
    name : name of the member

    Raises
    ------
    zipfile.BadZipFile : the member is far larger than its packed bytes
    """
    member = archive.getinfo(name)
    packed = min(member.compress_size, Path(str(archive.filename)).stat().st_size)
    if member.file_size > largest_unpacked(packed):
        message = (
            f"{name} unpacks {packed:,} bytes to {member.file_size:,}, more than {_LARGEST_RATIO} times as many; "
            "if you trust it, unpack it yourself"
        )
        raise zipfile.BadZipFile(message)
    return archive.open(member)


def check_member(archive: zipfile.ZipFile, name: str) -> None:
    """Read a member to its end, which compares its CRC.

    Parameters
    ----------
    archive : open archive on the disk
    name : name of the member

    Raises
    ------
    zipfile.BadZipFile : the member is damaged, or far larger than its packed bytes
    """
    with open_member(archive, name) as member:
        while member.read(_PART_BYTES):
            pass
