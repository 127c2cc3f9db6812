"""CSAF: an advisory as objects that STIX accepts, dated, marked and related as it says."""

from __future__ import annotations

import pytest

from comity.formats.convert import TLP_REFS
from comity.vocab import Tlp
from tests.formats.advisories import CPE, Tree, advisory, changed, links, read


def test_an_advisory_is_a_report_of_its_publisher() -> None:
    found = read(advisory())
    report, publisher = found.only("report"), found.only("identity")
    assert publisher["name"] == "CERT Arcadia"
    assert report["created_by_ref"] == publisher["id"]
    assert report["name"] == "Two holes in the Arcadia Gateway"
    assert report["description"] == "Anybody gets in.\n\nSeverity: critical"
    assert (report["created"], report["modified"]) == ("2026-01-10T10:00:00.000Z", "2026-02-10T11:00:00.000Z")
    assert report["published"] == report["created"]
    assert report["labels"] == ["csaf_security_advisory", "status:final"]
    assert report["external_references"][0] == {
        "source_name": "CERT Arcadia",
        "external_id": "ARC-2026-001",
        "url": "https://cert.arcadia.example/arc-2026-001.json",
        "description": "version 2, final",
    }
    assert {ref.partition("--")[0] for ref in report["object_refs"]} == {
        "identity", "software", "vulnerability", "course-of-action",
    }  # fmt: skip
    assert not report.get("revoked")


def test_everything_the_document_dates_and_marks_bears_its_dates_and_marking() -> None:
    found = read(advisory())
    for made, tree in zip(found.made, found.trees, strict=True):
        assert made.timeless is (tree["type"] == "identity")
        assert (tree.get("object_marking_refs") == [TLP_REFS[Tlp.AMBER]]) is (tree["type"] != "identity")


def test_a_vulnerability_keeps_its_names_scores_and_dates() -> None:
    first, second = read(advisory()).of("vulnerability")
    assert (first["name"], second["name"]) == ("CVE-2026-1234", "No number yet")
    assert first["description"].split("\n\n") == [
        "No password is asked for.",
        "CVSS 3.1: 9.8 CRITICAL CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "Released: 2026-01-10T10:00:00Z",
    ]
    assert [(each["source_name"], each["external_id"]) for each in first["external_references"]] == [
        ("cve", "CVE-2026-1234"), ("Arcadia tracker", "A-7"), ("cwe", "CWE-306"),
    ]  # fmt: skip


def test_products_are_software_with_what_their_branches_say() -> None:
    software = {tree["name"]: tree for tree in read(advisory()).of("software")}
    assert set(software) == {
        "Arcadia Gateway 1.2", "Arcadia Gateway 1.3", "Arcadia Gateway old (vers:semver/<1.2)",
        "Cascadia OS", "Gateway 1.2 on Cascadia OS",
    }  # fmt: skip
    one = software["Arcadia Gateway 1.2"]
    assert (one["vendor"], one["version"], one["cpe"]) == ("Arcadia", "1.2", CPE)


def test_what_bears_on_what_is_said_by_relationships() -> None:
    old, both, one = "Arcadia Gateway old (vers:semver/<1.2)", "Gateway 1.2 on Cascadia OS", "Arcadia Gateway 1.2"
    fix, new, cve = "vendor fix: Take 1.3.", "Arcadia Gateway 1.3", "CVE-2026-1234"
    assert links(read(advisory())) == {
        (one, "installed-on", "Cascadia OS"),
        (both, "consists-of", one),
        (both, "consists-of", "Cascadia OS"),
        *((cve, "known-affected", name) for name in (one, old, both)),
        (cve, "fixed", new),
        (cve, "recommended", new),
        ("No number yet", "under-investigation", new),
        *((fix, "mitigates", name) for name in (cve, "No number yet")),
        *((fix, "applies-to", name) for name in (one, old, both)),
    }


def test_threats_flags_states_history_and_terms_are_notes() -> None:
    notes = {note["abstract"]: note for note in read(advisory()).of("note")}
    assert set(notes) == {
        "remediation: no_fix_planned", "threat: exploit_status", "justification", "involvement",
        "legal_disclaimer", "revision history", "distribution",
    }  # fmt: skip
    assert notes["revision history"]["content"].splitlines()[1] == "2, 2026-02-10T11:00:00Z: A fix."
    assert [ref.partition("--")[0] for ref in notes["threat: exploit_status"]["object_refs"]] == [
        "vulnerability",
        "software",
    ]


def test_what_a_good_advisory_loses_is_what_concerns_persons_and_what_stix_has_no_place_for() -> None:
    assert sorted(read(advisory()).rules()) == [
        ("sealed", "acknowledgments"), ("sealed", "contact"), ("unmapped", "product-identification"),
    ]  # fmt: skip


def test_a_new_version_of_a_document_makes_new_versions_of_the_same_objects() -> None:
    newer = changed("document/tracking/current_release_date", "2026-03-01T00:00:00Z")
    newer["vulnerabilities"][0]["product_status"] = {
        "known_affected": ["old"],
        "fixed": ["1.2", "both", "1.3"],
        "recommended": ["1.3"],
    }
    newer["vulnerabilities"][0]["notes"][0]["text"] = "Other words."
    old, new = read(advisory()), read(newer)
    assert {tree["id"] for tree in old.trees} == {tree["id"] for tree in new.trees}
    assert ("CVE-2026-1234", "fixed", "Arcadia Gateway 1.2") in links(new)
    assert min(tree["modified"] for tree in new.of("relationship")) == "2026-03-01T00:00:00.000Z"


@pytest.mark.parametrize("category", ["csaf_withdrawn", "csaf_superseded"])
def test_withdrawn_and_superseded_documents_are_revoked(category: str) -> None:
    tree = changed("document/category", category)
    tree["document"]["csaf_version"] = "2.1"
    del tree["vulnerabilities"], tree["product_tree"]
    found = read(tree)
    assert found.only("report")["revoked"] is True
    assert found.only("report")["id"] == read(advisory()).only("report")["id"]


@pytest.mark.parametrize(
    ("version", "distribution", "level", "told"),
    [
        ("2.0", {"tlp": {"label": "WHITE"}}, Tlp.CLEAR, False),
        ("2.0", {"tlp": {"label": "GREEN"}}, Tlp.GREEN, False),
        ("2.0", {"tlp": {"label": "RED"}}, Tlp.RED, False),
        ("2.1", {"tlp": {"label": "CLEAR"}}, Tlp.CLEAR, False),
        ("2.1", {"tlp": {"label": "AMBER+STRICT"}}, Tlp.AMBER_STRICT, False),
        ("2.1", {"tlp": {"label": "PURPLE"}}, Tlp.RED, True),
        ("2.0", {"tlp": {"label": ""}}, Tlp.RED, True),
        ("2.1", {}, Tlp.RED, True),
        ("2.0", {}, None, False),
        ("2.1", {"tlp": {"label": "CLEAR"}, "sharing_group": {"id": "5b3d9a1e-0c44-4a1b-8d6d-6a2f7e8c9b0a"}},
         Tlp.RED, True),
        ("2.1", {"tlp": {"label": "GREEN"}, "sharing_group": {"id": "ffffffff-ffff-ffff-ffff-ffffffffffff"}},
         Tlp.GREEN, False),
    ],
)  # fmt: skip
def test_the_marking_is_the_documents_and_fails_closed(
    version: str, distribution: Tree, level: Tlp | None, told: bool
) -> None:
    tree = changed("document/distribution", distribution)
    tree["document"]["csaf_version"] = version
    found = read(tree)
    assert found.only("report").get("object_marking_refs") == ([TLP_REFS[level]] if level else None)
    assert any(rule in {"tlp", "sharing-group"} for _, rule in found.rules()) is told


def test_metrics_of_2_1_are_told_as_scores() -> None:
    tree = changed("vulnerabilities/0/scores", None)
    tree["document"]["csaf_version"] = "2.1"
    tree["vulnerabilities"][0] |= {
        "cwes": [{"id": "CWE-287", "name": "Improper Authentication", "version": "4.15"}],
        "disclosure_date": "2026-01-09T00:00:00Z",
        "first_known_exploitation_dates": [
            {"date": "2026-01-05T00:00:00Z", "exploitation_date": "2026-01-04T00:00:00Z"}],
        "metrics": [{"products": ["1.2"], "source": "https://scores.example", "content": {
            "cvss_v4": {
                "version": "4.0", "baseScore": 9.3, "baseSeverity": "CRITICAL", "vectorString": "CVSS:4.0/AV:N"},
            "epss": {"probability": "0.42", "percentile": "0.97", "timestamp": "2026-01-09T00:00:00Z"},
            "qualitative_severity_rating": "high",
            "x_guess": 1}}],
    }  # fmt: skip
    found = read(tree)
    text = found.of("vulnerability")[0]["description"]
    wanted = ["CVSS 4.0: 9.3 CRITICAL CVSS:4.0/AV:N", "EPSS: 0.42", "Severity: high", "Disclosed: 2026-01-09"]
    for said in [*wanted, "Scored by: https://scores.example", "First known exploitation: 2026-01-04"]:
        assert said in text
    assert ("unmapped", "score") in found.rules()
    assert ("changed", "score-products") in found.rules()


def test_product_paths_and_involvement_of_2_1_are_read() -> None:
    tree = changed("product_tree/relationships", None)
    tree["document"]["csaf_version"] = "2.1"
    tree["product_tree"]["full_product_names"].append({"name": "Blade", "product_id": "blade"})
    tree["product_tree"]["product_paths"] = [
        {
            "full_product_name": {"name": "Gateway 1.2 on Cascadia OS on a blade", "product_id": "both"},
            "beginning_product_reference": "1.2",
            "subpaths": [
                {"category": "installed_on", "next_product_reference": "os"},
                {"category": "installed_with", "next_product_reference": "blade"},
            ],
        }
    ]
    action = {"action_id": "1", "category": "notification", "status": "completed", "date": "2026-01-08T00:00:00Z"}
    tree["document"]["involvement"] = {
        "entities": [{"entity_id": "e", "category": "discoverer", "name": "Ada Example"}],
        "actions": [action | {"acting_entity_refs": ["e"]}],
    }
    tree["vulnerabilities"][0]["dl_vuln_id"] = "V-1"
    found = read(tree)
    assert {
        ("Arcadia Gateway 1.2", "installed-on", "Cascadia OS"),
        ("Cascadia OS", "installed-with", "Blade"),
        ("Gateway 1.2 on Cascadia OS on a blade", "consists-of", "Blade"),
    } <= links(found)
    assert "notification: completed\n\n2026-01-08T00:00:00Z" in [note["content"] for note in found.of("note")]
    assert {("sealed", "entities"), ("unmapped", "involvement")} <= set(found.rules())
    assert b"Ada" not in b"".join(each.data for each in found.made)
