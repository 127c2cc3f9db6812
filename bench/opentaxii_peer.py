"""How many objects a second OpenTAXII accepts by POST: run in an interpreter of its own, which has `opentaxii`.

    PYTHON bench/opentaxii_peer.py OBJECTS.ndjson FOLDER [walk]

Prints two rates as JSON: by the clock and by processor time; with `walk` also those of reading all of them in pages of
1,000, and of objects asked for by id, by the clock. The server is called through its own WSGI application,
without a network, with SQLite, and without accounts: all three are in its favour. Version 0.9.3 answers every POST
with 500 unless its JSON writer is told how to write a UUID, which is done here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial
from pathlib import Path

ENVELOPE = 500  # objects in one POST
TAXII = "application/taxii+json;version=2.1"
CONFIGURATION = """
domain: "localhost:9000"
support_basic_auth: no
auth_api:
  class: opentaxii.auth.sqldb.SQLDatabaseAPI
  parameters: {{db_connection: "sqlite:///{0}/auth.db", create_tables: yes, secret: none}}
taxii1:
taxii2:
  max_content_length: 50000000
  public_discovery: true
  title: OpenTAXII
  persistence_api:
    class: opentaxii.persistence.sqldb.Taxii2SQLDatabaseAPI
    parameters: {{db_connection: "sqlite:///{0}/data.db", create_tables: yes}}
logging: {{opentaxii: error, root: error}}
"""


def main() -> None:
    objects, folder = Path(sys.argv[1]).read_text().splitlines(), Path(sys.argv[2])
    (folder / "opentaxii.yml").write_text(CONFIGURATION.format(folder))
    os.environ["OPENTAXII_CONFIG"] = str(folder / "opentaxii.yml")
    from opentaxii.http import app  # type: ignore[import-not-found]
    from opentaxii.taxii2 import http  # type: ignore[import-not-found]

    http.json = type("Writer", (), {"dumps": staticmethod(partial(json.dumps, default=str))})
    with app.app_context():
        store = app.taxii_server.servers.taxii2.persistence.api
        root = store.add_api_root(title="bench", default=True)
        shelf = store.add_collection(api_root_id=root.id, title="bench", is_public=True, is_public_write=True)
    url = f"/taxii2/{root.id}/collections/{shelf.id}/objects/"
    envelopes = [
        f'{{"objects":[{",".join(objects[start : start + ENVELOPE])}]}}' for start in range(0, len(objects), ENVELOPE)
    ]
    asking = app.test_client()
    clock, processor = time.perf_counter(), time.process_time()
    for envelope in envelopes:
        answer = asking.post(url, data=envelope, content_type=TAXII, headers={"Accept": TAXII})
        if answer.status_code != 202:
            raise SystemExit(f"{answer.status}: {answer.text[:500]}")
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    rates = [len(objects) / clock, len(objects) / processor]
    if len(sys.argv) > 3:
        rates += walk(asking, url, len(objects)) + by_id(asking, url, objects[:200])
    print(json.dumps(rates))


def walk(asking, url: str, count: int) -> list[float]:
    """Return how many objects a second come in pages, by the clock and by processor time."""
    clock, processor = time.perf_counter(), time.process_time()
    got, further = 0, ""
    while True:
        answer = asking.get(f"{url}?limit=1000{further}", headers={"Accept": TAXII})
        page = json.loads(answer.data)
        got += len(page.get("objects", ()))
        if not page.get("more"):
            break
        further = f"&next={page['next']}"
    if got != count:
        raise SystemExit(f"{got} of {count} objects came")
    return [got / (time.perf_counter() - clock), got / (time.process_time() - processor)]


def by_id(asking, url: str, objects: list[str]) -> list[float]:
    """Return how many objects a second come by id."""
    idents = [json.loads(one)["id"] for one in objects]
    clock = time.perf_counter()
    for ident in idents:
        if asking.get(f"{url}{ident}/", headers={"Accept": TAXII}).status_code != 200:
            raise SystemExit(f"no {ident}")
    return [len(idents) / (time.perf_counter() - clock)]


if __name__ == "__main__":
    main()
