"""Stores as an older nbflow has left them."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import TYPE_CHECKING

from nbflow.store.contents import MAGIC
from nbflow.store.entry import read_header

if TYPE_CHECKING:
    from pathlib import Path

_SINCE_2 = ("changed", "buffers", "apart", "object", "format")


def made_older(store: Path) -> None:
    """Turn all files of a store, whose results are small, into those of format 1."""
    for path in store.rglob("*.value"):
        header = read_header(path)
        assert not header.apart
        contents = path.read_bytes()[len(MAGIC) :][: header.size]
        facts = {name: getattr(header, name) for name in header.__slots__ if name not in _SINCE_2}
        facts["not_kept"] = header.not_kept.replace("set up again", "set up anew")
        facts["digest"] = hashlib.blake2b(contents, digest_size=16).hexdigest()
        packed = json.dumps(facts).encode()
        footer = struct.pack(">Q16s", len(packed), hashlib.blake2b(packed, digest_size=16).digest())
        path.write_bytes(b"nbflow-store 1\n" + contents + packed + footer)
    for path in store.rglob("run.json"):
        facts = json.loads(path.read_text())
        del facts["changed"]
        path.write_text(json.dumps(facts | {"format": 1}))
