"""Bodies as they lie on the disk: zstd, singly, with a dictionary trained on the node's own first bodies.

Rules: singly, because look-ups read at random; with a dictionary, because a STIX indicator of 700 bytes shares most
of them with the next. A frame carries neither magic number nor dictionary id (8 bytes of 130): the row says which
codec it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw
import zstandard

from comity.errors import Fault
from comity.limits import STATEMENT_BYTES_MAX
from comity.stores.sqlite import training

PLAIN: Final = 0
SAMPLE_BYTES_MIN: Final = 256  # bytes: acts and records are shorter, and a dictionary of them would be of no use


class Bodies:
    """Compresses and opens bodies over one connection; keeps the dictionaries it has seen."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._compressors: dict[int, zstandard.ZstdCompressor] = {}
        self._decompressors: dict[int, zstandard.ZstdDecompressor] = {}
        self._codec: int | None = None  # the newest, once it is known
        self._samples: list[bytes] | None = None  # None until those already stored were read
        self._in_vain = False  # whether what is stored has too little in common for a dictionary

    def forget(self) -> None:
        """Read the dictionaries anew: the unit of work that made one was undone."""
        self._codec = None
        self._samples = None
        self._compressors.clear()
        self._decompressors.clear()

    def pack(self, bodies: Sequence[bytes]) -> tuple[int, list[bytes]]:
        """Return the codec and the compressed bodies; the first 500 train the dictionary of all after them."""
        codec = self._newest()
        if codec == PLAIN and not self._in_vain:
            codec = self._learn(bodies)
        compress = self._compressor(codec).compress
        return codec, [compress(body) for body in bodies]

    def unpack(self, codec: int, data: bytes) -> bytes:
        """Return a body. Raises `Fault`: what this node wrote must be readable."""
        decompressor = self._decompressors.get(codec) or self._decompressor(codec)
        try:
            return decompressor.decompress(data, STATEMENT_BYTES_MAX)
        except zstandard.ZstdError as error:
            raise Fault(f"a stored body cannot be unpacked: {error}", hint="the store is damaged") from error

    def _newest(self) -> int:
        if self._codec is None:
            row: Any = self._connection.execute("SELECT coalesce(max(id), 0) FROM dictionary").fetchone()
            self._codec = int(row[0])
        return self._codec

    def _learn(self, bodies: Sequence[bytes]) -> int:
        """Train the dictionary when these bodies and the stored ones are enough; return the codec from now on."""
        if self._samples is None:
            self._samples = self._stored()
        self._samples += [body[: training.SAMPLE_BYTES_MAX] for body in bodies if len(body) >= SAMPLE_BYTES_MIN]
        if len(self._samples) < training.SAMPLES:
            return PLAIN
        trained = training.train(self._samples[: training.SAMPLES])
        self._samples = None
        self._in_vain = not trained
        if trained:
            self._connection.execute("INSERT INTO dictionary (data) VALUES (?)", (trained,))
            self._codec = self._connection.last_insert_rowid()
        return self._newest()

    def _stored(self) -> list[bytes]:
        """Return bodies kept without a dictionary: what a process that ended had gathered counts too."""
        rows: Any = self._connection.execute(
            "SELECT codec, data FROM body WHERE length(data) >= ? LIMIT ?", (SAMPLE_BYTES_MIN // 2, training.SAMPLES)
        )
        bodies = [self.unpack(codec, data) for codec, data in rows]
        return [body[: training.SAMPLE_BYTES_MAX] for body in bodies if len(body) >= SAMPLE_BYTES_MIN]

    def _compressor(self, codec: int) -> zstandard.ZstdCompressor:
        if codec not in self._compressors:
            parameters = zstandard.ZstdCompressionParameters.from_level(
                training.LEVEL, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_dict_id=False, write_content_size=True
            )
            dictionary = self._dictionary(codec)
            self._compressors[codec] = zstandard.ZstdCompressor(compression_params=parameters, dict_data=dictionary)
        return self._compressors[codec]

    def _decompressor(self, codec: int) -> zstandard.ZstdDecompressor:
        found = self._decompressors[codec] = zstandard.ZstdDecompressor(
            dict_data=self._dictionary(codec), format=zstandard.FORMAT_ZSTD1_MAGICLESS
        )
        return found

    def _dictionary(self, codec: int) -> zstandard.ZstdCompressionDict | None:
        if codec == PLAIN:
            return None
        row: Any = self._connection.execute("SELECT data FROM dictionary WHERE id = ?", (codec,)).fetchone()
        if row is None:
            raise Fault(f"dictionary {codec} is missing from the store", hint="the store is damaged")
        return zstandard.ZstdCompressionDict(bytes(row[0]))
