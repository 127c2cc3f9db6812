from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.responses import Response

from comity.errors import Malformed, Misuse, Refused
from comity.http.login import Login
from comity.transports.caller import Caller
from comity.transports.discovery import Asked, find
from tests.transports.taxii_server import COLLECTION, MEDIA, Taxii, served

Call = Callable[..., Caller]
OBJECTS = f"/api1/collections/{COLLECTION}/objects/"


@pytest.mark.parametrize("path", ["/taxii2/", "/taxii2", "/api1/", "/api1", OBJECTS, OBJECTS.removesuffix("objects/")])
@pytest.mark.parametrize("named", ["", COLLECTION, "ind", "Indicators"])
def test_a_collection_is_found_from_discovery_root_or_its_own_address(
    base: str, call: Call, path: str, named: str
) -> None:
    assert find(call(base + path), Asked(named)) == base + OBJECTS


def test_a_collection_that_is_not_the_only_one_has_to_be_named(server: Taxii, base: str, call: Call) -> None:
    server.documents["/api1/collections/"]["collections"][1]["can_read"] = True  # type: ignore[index]
    with pytest.raises(Misuse, match="2 collections") as caught:
        find(call(base + "/taxii2/"), Asked())
    assert COLLECTION in caught.value.hint
    assert find(call(base + "/taxii2/"), Asked("Inbox")).endswith("4ac7471d4/objects/")
    with pytest.raises(Misuse, match="no readable collection that fits 'x'"):
        find(call(base + "/taxii2/"), Asked("x"))


def test_an_api_root_elsewhere_is_not_followed_and_no_login_goes_there(server: Taxii, base: str, call: Call) -> None:
    elsewhere = Taxii()
    with served(elsewhere) as other:
        server.documents["/taxii2/"] = {"title": "x", "api_roots": [f"{other}/api1/"]}
        with pytest.raises(Refused, match="sends us on"):
            find(call(base + "/taxii2/", Login({"Authorization": "Bearer s3cret"})), Asked())
    assert not elsewhere.asked


@pytest.mark.parametrize("document", [b"[]", b"{}", b"\xff", b'{"api_roots":1}', b'{"versions":{}}', b""])
def test_a_document_that_is_none_is_malformed(server: Taxii, base: str, call: Call, document: bytes) -> None:
    server.answers.append(Response(document, headers={"content-type": MEDIA}))
    with pytest.raises(Malformed):
        find(call(base + "/taxii2/"), Asked())


def test_a_server_of_taxii_2_0_is_named_as_such(server: Taxii, base: str, call: Call) -> None:
    old = "application/vnd.oasis.taxii+json; version=2.0"
    server.answers += [Response(status_code=406), Response("{}", headers={"content-type": old})]
    with pytest.raises(Refused, match=r"speaks TAXII 2\.0") as caught:
        find(call(base + "/taxii/"), Asked())
    assert "2.1" in caught.value.hint
    assert server.asked[-1].headers["accept"] == old
    server.answers.append(Response("{}", headers={"content-type": old}))
    with pytest.raises(Refused, match=r"speaks TAXII 2\.0"):
        find(call(base + "/taxii/"), Asked())
    server.answers.append(Response("<p>hello</p>", headers={"content-type": "text/html"}))
    with pytest.raises(Malformed, match=r"text/html, which is not TAXII 2\.1"):
        find(call(base + "/taxii/"), Asked())
