"""How fast medallion takes and gives objects: run in an interpreter of its own, which has `medallion`.

    PYTHON bench/medallion_peer.py OBJECTS.ndjson FOLDER walk

Prints as JSON: POST by the clock and by processor time, reading all in pages of 1,000 by both, objects by id by the
clock. The server is called through its own WSGI application, with its store in memory: both are in its favour.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path

ENVELOPE = 500
TAXII = "application/taxii+json;version=2.1"
COLLECTION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
URL = f"/bench/collections/{COLLECTION}/objects/"


def main() -> None:
    objects, folder = Path(sys.argv[1]).read_text().splitlines(), Path(sys.argv[2])
    shelf = {"id": COLLECTION, "title": "bench", "can_read": True, "can_write": True, "objects": [], "manifest": []}
    shelf["media_types"] = ["application/stix+json;version=2.1"]
    root = {"title": "bench", "versions": [TAXII], "max_content_length": 104857600}
    data: dict[str, object] = {"/discovery": {"title": "bench", "api_roots": ["http://localhost/bench/"]}}
    data["bench"] = {"information": root, "status": [], "collections": [shelf]}
    (folder / "data.json").write_text(json.dumps(data))
    asking = application(folder / "data.json").test_client()
    login = "Basic " + base64.b64encode(b"bench:bench").decode()
    headers = {"Accept": TAXII, "Authorization": login}
    clock, processor = time.perf_counter(), time.process_time()
    for start in range(0, len(objects), ENVELOPE):
        envelope = f'{{"objects":[{",".join(objects[start : start + ENVELOPE])}]}}'
        answer = asking.post(URL, data=envelope, content_type=TAXII, headers=headers)
        if answer.status_code != 202:
            raise SystemExit(f"{answer.status}: {answer.text[:500]}")
    posted = [len(objects) / (time.perf_counter() - clock), len(objects) / (time.process_time() - processor)]
    clock, processor, got, further = time.perf_counter(), time.process_time(), 0, ""
    while True:
        page = json.loads(asking.get(f"{URL}?limit=1000{further}", headers=headers).data)
        got += len(page.get("objects", ()))
        if not page.get("more"):
            break
        further = f"&next={page['next']}"
    walked = [got / (time.perf_counter() - clock), got / (time.process_time() - processor)]
    clock = time.perf_counter()
    idents = [json.loads(one)["id"] for one in objects[:20]]
    for ident in idents:
        asking.get(f"{URL}{ident}/", headers=headers)
    print(json.dumps([*posted, *walked, len(idents) / (time.perf_counter() - clock)]))


def application(path: Path):
    """Return medallion's application over a file of collections, with one user."""
    from medallion import load_app  # type: ignore[import-not-found]

    backend = {"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend", "filename": str(path)}
    configuration = {"backend": backend, "users": {"bench": "bench"}, "taxii": {"max_page_size": 1_000}}
    written = path.with_name("medallion.json")
    written.write_text(json.dumps(configuration))
    return load_app(written)


if __name__ == "__main__":
    main()
