"""A CSAF advisory of Arcadia's for the tests, and changes to it."""

from __future__ import annotations

import json
from typing import Any

from comity.formats import csaf
from tests.formats.reading import CONTEXT, Read, chunked, sorted_out

Tree = dict[str, Any]
CPE = "cpe:2.3:a:arcadia:gateway:1.2:*:*:*:*:*:*:*"


def product(name: str, **more: Any) -> Tree:
    return {"name": f"Arcadia Gateway {name}", "product_id": name, **more}


def branch(category: str, name: str, *branches: Tree, **more: Any) -> Tree:
    return {"category": category, "name": name, **({"branches": list(branches)} if branches else {}), **more}


def document() -> Tree:
    return {
        "category": "csaf_security_advisory",
        "csaf_version": "2.0",
        "title": "Two holes in the Arcadia Gateway",
        "lang": "en",
        "publisher": {
            "category": "coordinator",
            "name": "CERT Arcadia",
            "namespace": "https://cert.arcadia.example",
            "contact_details": "Ada Example, +99 1234",
        },
        "tracking": {
            "id": "ARC-2026-001",
            "initial_release_date": "2026-01-10T10:00:00Z",
            "current_release_date": "2026-02-10T12:00:00+01:00",
            "status": "final",
            "version": "2",
            "aliases": ["VU#1"],
            "revision_history": [
                {"date": "2026-01-10T10:00:00Z", "number": "1", "summary": "First."},
                {"date": "2026-02-10T11:00:00Z", "number": "2", "summary": "A fix."},
            ],
        },
        "distribution": {"tlp": {"label": "AMBER"}, "text": "Not beyond the sector."},
        "aggregate_severity": {"text": "critical"},
        "notes": [
            {"category": "summary", "text": "Anybody gets in.", "title": "Summary"},
            {"category": "legal_disclaimer", "text": "As is."},
        ],
        "references": [
            {"category": "self", "summary": "canonical", "url": "https://cert.arcadia.example/arc-2026-001.json"},
            {"summary": "a talk", "url": "https://talks.example/gateway"},
        ],
        "acknowledgments": [{"names": ["Ada Example"]}],
    }


def product_tree() -> Tree:
    versions = (
        branch(
            "product_version",
            "1.2",
            product=product("1.2", product_identification_helper={"cpe": CPE, "purl": "pkg:x/y"}),
        ),
        branch("product_version", "1.3", product=product("1.3")),
        branch("product_version_range", "vers:semver/<1.2", product=product("old")),
    )
    return {
        "branches": [branch("vendor", "Arcadia", branch("product_name", "Gateway", *versions))],
        "full_product_names": [{"name": "Cascadia OS", "product_id": "os"}],
        "relationships": [
            {
                "category": "installed_on",
                "full_product_name": {"name": "Gateway 1.2 on Cascadia OS", "product_id": "both"},
                "product_reference": "1.2",
                "relates_to_product_reference": "os",
            }
        ],
        "product_groups": [{"group_id": "all", "product_ids": ["1.2", "old", "both"]}],
    }


def vulnerabilities() -> list[Tree]:
    return [
        {
            "cve": "CVE-2026-1234",
            "cwe": {"id": "CWE-306", "name": "Missing Authentication for Critical Function"},
            "ids": [{"system_name": "Arcadia tracker", "text": "A-7"}],
            "notes": [{"category": "description", "text": "No password is asked for."}],
            "product_status": {
                "known_affected": ["1.2", "old", "both"], "fixed": ["1.3"], "recommended": ["1.3"],
            },
            "remediations": [
                {"category": "vendor_fix", "details": "Take 1.3.", "group_ids": ["all"],
                 "url": "https://arcadia.example/1.3", "restart_required": {"category": "system"}},
                {"category": "no_fix_planned", "details": "None for the old.", "product_ids": ["old"]},
            ],
            "scores": [{"products": ["1.2"], "cvss_v3": {
                "version": "3.1", "baseScore": 9.8, "baseSeverity": "CRITICAL",
                "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}],
            "threats": [{"category": "exploit_status", "details": "Seen in the wild.", "product_ids": ["1.2"]}],
            "flags": [{"label": "component_not_present", "product_ids": ["1.3"]}],
            "involvements": [{"party": "vendor", "status": "completed"}],
            "release_date": "2026-01-10T10:00:00Z",
        },
        {"title": "No number yet", "notes": [{"category": "general", "text": "Under study."}],
         "product_status": {"under_investigation": ["1.3"]}, "remediations": [
            {"category": "vendor_fix", "details": "Take 1.3.", "group_ids": ["all"],
             "url": "https://arcadia.example/1.3", "restart_required": {"category": "system"}}]},
    ]  # fmt: skip


def advisory() -> Tree:
    """Return an advisory of two vulnerabilities, in CSAF 2.0."""
    return {"document": document(), "product_tree": product_tree(), "vulnerabilities": vulnerabilities()}


def read(tree: Tree) -> Read:
    return sorted_out(csaf.read(chunked(json.dumps(tree).encode()), CONTEXT))


def changed(path: str, value: Any) -> Tree:
    """Return an advisory with a value put at a path of names and numbers."""
    tree: Any = advisory()
    steps = [int(step) if step.isdigit() else step for step in path.split("/")]
    place = tree
    for step in steps[:-1]:
        place = place[step]
    if value is None:
        del place[steps[-1]]
    else:
        place[steps[-1]] = value
    result: Tree = tree
    return result


def links(found: Read) -> set[tuple[str, str, str]]:
    names = {tree["id"]: tree.get("name", tree["type"]) for tree in found.trees}
    return {
        (names[link["source_ref"]], link["relationship_type"], names[link["target_ref"]])
        for link in found.of("relationship")
    }
