"""Bodies as they lie on the disk: zstd, singly, with a dictionary trained on the node's own first objects.

Rules: singly, because look-ups read at random; with a dictionary, because a STIX indicator of 600 bytes
shares most of them with the next. The dictionary is trained once, as soon as `SAMPLES` bodies are there;
what was kept before stays as it is. A frame carries neither magic number nor dictionary id (8 bytes of
200): the row says which codec it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw
import zstandard

from comity.errors import Fault
from comity.limits import STATEMENT_BYTES_MAX

LEVEL: Final = 2  # level 6 takes three times as long and saves nothing on bodies this short
DICTIONARY_BYTES: Final = 65_536  # half of it costs 3 % of the disk, twice as much saves 3 %
SAMPLES: Final = 2_000  # bodies that the dictionary is trained on
PLAIN: Final = 0  # the codec of a body compressed before there was a dictionary


class Bodies:
    """Compresses and opens bodies; keeps the dictionaries it has seen."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._compressors: dict[int, zstandard.ZstdCompressor] = {}
        self._decompressors: dict[int, zstandard.ZstdDecompressor] = {}
        self._codec: int | None = None  # the newest, once it is known
        self._trains = True

    def forget(self) -> None:
        """Read the dictionaries anew: the unit of work that made one was undone."""
        self._codec = None
        self._compressors.clear()
        self._decompressors.clear()

    def pack(self, bodies: Sequence[bytes]) -> tuple[int, list[bytes]]:
        """Return the codec and the compressed bodies, which are the next to be stored."""
        codec = self._newest()
        if codec == PLAIN and self._trains:
            codec = self._train_once(bodies)
        compress = self._compressor(codec).compress
        return codec, [compress(body) for body in bodies]

    def unpack(self, codec: int, data: bytes) -> bytes:
        """Return a body. Raises `Fault`: what this node wrote must be readable."""
        try:
            return self._decompressor(codec).decompress(data, max_output_size=STATEMENT_BYTES_MAX)
        except zstandard.ZstdError as error:
            raise Fault(f"a stored body cannot be unpacked: {error}", hint="the store is damaged") from error

    def _newest(self) -> int:
        if self._codec is None:
            (newest,) = self._connection.execute("SELECT coalesce(max(id), 0) FROM dictionary").fetchone()  # type: ignore[misc]
            self._codec = int(newest)
        return self._codec

    def _train_once(self, bodies: Sequence[bytes]) -> int:
        """Return the codec of a dictionary trained on these bodies and the stored ones, once they are enough."""
        wanted = max(SAMPLES - len(bodies), 0)
        rows: Any = self._connection.execute("SELECT count(*) FROM (SELECT 1 FROM body LIMIT ?)", (wanted,)).fetchone()
        if rows[0] < wanted:
            return PLAIN
        stored: Any = self._connection.execute("SELECT codec, data FROM body LIMIT ?", (wanted,))
        samples = [self.unpack(codec, data) for codec, data in stored] + list(bodies[:SAMPLES])
        try:
            trained = zstandard.train_dictionary(DICTIONARY_BYTES, samples)
        except zstandard.ZstdError:
            self._trains = False  # too little in common: asked again at the next start, not at every batch
            return PLAIN
        self._connection.execute("INSERT INTO dictionary (data) VALUES (?)", (trained.as_bytes(),))
        self._codec = self._connection.last_insert_rowid()
        return self._codec

    def _compressor(self, codec: int) -> zstandard.ZstdCompressor:
        if codec not in self._compressors:
            parameters = zstandard.ZstdCompressionParameters.from_level(
                LEVEL, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_dict_id=False, write_content_size=True
            )
            dictionary = self._dictionary(codec)
            self._compressors[codec] = zstandard.ZstdCompressor(compression_params=parameters, dict_data=dictionary)
        return self._compressors[codec]

    def _decompressor(self, codec: int) -> zstandard.ZstdDecompressor:
        if codec not in self._decompressors:
            dictionary = self._dictionary(codec)
            self._decompressors[codec] = zstandard.ZstdDecompressor(
                dict_data=dictionary, format=zstandard.FORMAT_ZSTD1_MAGICLESS
            )
        return self._decompressors[codec]

    def _dictionary(self, codec: int) -> zstandard.ZstdCompressionDict | None:
        if codec == PLAIN:
            return None
        row = self._connection.execute("SELECT data FROM dictionary WHERE id = ?", (codec,)).fetchone()
        if row is None:
            raise Fault(f"dictionary {codec} is missing from the store", hint="the store is damaged")
        return zstandard.ZstdCompressionDict(bytes(row[0]))
