"""Fingerprints of parameters, data and code: interrupted work is resumed only by work with the same key."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parent.parent


def work_key(values: Any, *, code: Sequence[str]) -> str:
    """Return 16 hexadecimal digits that change with the values and with the code.

    Parameters
    ----------
    values : JSON types; other objects count by their text
    code : modules or folders of demsr, such as "dem" or "pairs/cut.py"
    """
    text = json.dumps({"values": values, "code": code_sha256(code)}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def code_sha256(parts: Sequence[str]) -> str:
    """Return one SHA-256 over Python files of demsr.

    Parameters
    ----------
    parts : modules or folders of demsr, such as "dem" or "pairs/cut.py"
    """
    digest = hashlib.sha256()
    for part in parts:
        path = _PACKAGE / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(_PACKAGE).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()
