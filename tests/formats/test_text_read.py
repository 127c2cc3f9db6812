"""Texts and pages become objects that pass every check; what is not made is told, and no bytes raise anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.text import labelled
from comity.formats.convert import Context, Loss, Made, Outcome, Reader
from comity.formats.observables import Observable
from comity.formats.stix.check import Checked, check_many
from comity.formats.text import read as module
from comity.formats.text.html import read_html
from comity.formats.text.read import read
from comity.limits import HTML_MARKUP_CHARS_MAX, REPORT_REFS_MAX, STIX_NAME_CHARS_MAX, TEXT_CONTEXT_CHARS_MAX

CONTEXT = Context("arcadia-blog", 1_772_000_000, "identity--7d3f1a52-3c5e-4a6b-9f10-0123456789ab")
TEXTS = list(labelled())


def run(data: bytes, reader: Reader = read, **options: Any) -> tuple[list[dict[str, Any]], list[Loss]]:
    """Return objects and losses; every object passes the checks and is dated by the import."""
    items = list(reader([data], CONTEXT, **options))
    made = [one for one in items if isinstance(one, Made)]
    assert all(isinstance(one, Checked) for one in check_many([one.data for one in made]))
    assert all(one.timeless for one in made)
    return [json.loads(one.data) for one in made], [one for one in items if isinstance(one, Loss)]


def of(objects: list[dict[str, Any]], kind: str, name: str = "name") -> list[Any]:
    return [one[name] for one in objects if one["type"] == kind]


def rules(losses: list[Loss]) -> list[tuple[Outcome, str]]:
    return [(one.outcome, one.rule) for one in losses]


def test_a_text_becomes_a_report_that_names_what_is_in_it() -> None:
    text = (
        "# Loader campaign\n\nC2 at bad[.]example and 192.0.2.7 (bad.example again), CVE-2021-44228, T1059.001, G0016, "
        "AS64500"
    )
    objects, losses = run(text.encode())
    assert not losses
    assert of(objects, "indicator") == ["bad.example", "192.0.2.7", "AS64500"]
    assert of(objects, "indicator", "pattern") == [
        "[domain-name:value = 'bad.example']",
        "[ipv4-addr:value = '192.0.2.7']",
        "[autonomous-system:number = 64500]",
    ]
    assert objects[0]["labels"] == ["defanged"]
    assert "labels" not in objects[1]
    assert of(objects, "vulnerability", "external_references") == [
        [{"source_name": "cve", "external_id": "CVE-2021-44228"}]
    ]
    assert of(objects, "attack-pattern", "external_references") == [
        [{"source_name": "mitre-attack", "external_id": "T1059.001"}]
    ]
    assert of(objects, "intrusion-set") == ["G0016"]
    (report,) = (one for one in objects if one["type"] == "report")
    assert report["name"] == "Loader campaign"
    assert report["object_refs"] == [one["id"] for one in objects if one is not report]
    assert "C2 at" not in report["description"]
    assert {one["created_by_ref"] for one in objects} == {CONTEXT.creator}


@pytest.mark.parametrize("one", TEXTS, ids=lambda one: one.name)
def test_what_is_made_of_a_labelled_text_passes_and_says_the_same_observables(one: Any) -> None:
    items = list(read([one.text.encode()], CONTEXT))
    made = [each for each in items if isinstance(each, Made)]
    checked = check_many([each.data for each in made])
    assert all(isinstance(each, Checked) for each in checked)
    indicated = [each for each, tree in zip(checked, made, strict=True) if b'"type":"indicator"' in tree.data]
    assert all(isinstance(each, Checked) and each.observables for each in indicated)
    assert any(isinstance(each, Loss) for each in items) or made


def test_a_second_import_gives_the_same_ids_and_another_source_others() -> None:
    data = b"bad.example 192.0.2.7"
    again = [
        json.loads(one.data)["id"] for one in read([data], CONTEXT._replace(at=1_773_000_000)) if isinstance(one, Made)
    ]
    other = [json.loads(one.data)["id"] for one in read([data], CONTEXT._replace(source="x")) if isinstance(one, Made)]
    ids = [one["id"] for one in run(data)[0]]
    assert ids == again
    assert not set(ids) & set(other)


def test_what_belongs_to_persons_is_sealed_and_stands_in_no_object() -> None:
    text = (
        "Report\nAna ana@mail.example @ana +49 30 5550 1234: https://t.me/ana and hxxps://x[.]com/ana about bad.example"
    )
    objects, losses = run(text.encode())
    assert rules(losses) == [(Outcome.SEALED, "mail-address"), *[(Outcome.SEALED, "social-account")] * 2]
    assert of(objects, "indicator") == ["bad.example"]
    whole = json.dumps(objects) + "".join(one.reason for one in losses)
    assert not [word for word in ("ana@", "@ana", "5550", "t.me", "x.com") if word in whole]


def test_a_mail_address_that_is_defanged_is_an_indicator() -> None:
    objects, losses = run(b"Mail from billing[at]bad[.]example")
    assert of(objects, "indicator", "pattern") == ["[email-addr:value = 'billing@bad.example']"]
    assert not losses


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0", "127.0.0.1", "10.1.2.3", "172.16.0.0/12", "192.168.1.1", "169.254.1.1", "100.64.0.1", "224.0.0.1"),
        *("::1", "fe80::1", "fd00::12", "http://127.0.0.1/x", "http://[fe80::1]/x", "host[.]local", "a[.]home[.]arpa"),
        "root[at]host[.]internal",
    ],
)
def test_what_everybody_has_is_context_and_no_indicator(text: str) -> None:
    objects, losses = run(text.encode())
    assert not objects
    assert rules(losses) == [(Outcome.CHANGED, "not-global"), (Outcome.UNMAPPED, "nothing-found")]


def test_addresses_for_documentation_are_made() -> None:
    assert len(of(run(b"192.0.2.1 198.51.100.1 203.0.113.0/24 2001:db8::1 8.8.8.8")[0], "indicator")) == 5


def test_ids_of_software_and_tactics_are_references_of_the_report() -> None:
    objects, losses = run(b"S0154 in TA0011 by T1190")
    assert rules(losses) == [(Outcome.CHANGED, "attack-id")] * 2
    assert of(objects, "report", "external_references") == [
        [
            {"source_name": "mitre-attack", "external_id": "S0154"},
            {"source_name": "mitre-attack", "external_id": "TA0011"},
        ]
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_are_told_from_the_bytes(encoding: str) -> None:
    objects, losses = run("Отчёт: пример.рф".replace("Отчёт", "Report Отчёт").encode(encoding))
    assert of(objects, "indicator") == ["xn--e1afmkfd.xn--p1ai"]
    assert of(objects, "report")[0].startswith("Report Отчёт")
    assert not losses


def test_bytes_that_are_no_text_are_told() -> None:
    objects, losses = run("Müller bad.example".encode("latin-1"))
    assert of(objects, "indicator") == ["bad.example"]
    assert rules(losses) == [(Outcome.CHANGED, "encoding")]


def test_names_and_contexts_are_bounded_and_printable() -> None:
    objects, _ = run(("\u202e" + "title " * 500 + "\nx\x07 bad.example " + "y" * 5_000).encode())
    report = objects[-1]
    assert len(report["name"]) <= STIX_NAME_CHARS_MAX
    assert report["name"].isprintable()
    assert len(objects[0]["description"]) <= TEXT_CONTEXT_CHARS_MAX
    assert objects[0]["description"].isprintable()


def test_a_title_that_is_given_names_the_report() -> None:
    assert of(run(b"first line 192.0.2.7", title="Advisory 7")[0], "report") == ["Advisory 7"]


def test_an_input_that_is_too_long_is_cut_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEXT_BYTES_MAX", 20)
    taken = []

    def endless() -> Any:
        while True:
            taken.append(b"192.0.2.7 \n")
            yield taken[-1]

    items = list(read(endless(), CONTEXT))
    assert [one.rule for one in items if isinstance(one, Loss)] == ["too-large"]
    assert len(taken) == 2


def test_too_many_values_are_told_and_many_stand_in_several_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEXT_VALUES_MAX", 5)
    monkeypatch.setattr(module, "REPORT_REFS_MAX", 2)
    objects, losses = run(b"feed\n" + b"\n".join(b"192.0.2.%d" % number for number in range(9)))
    assert rules(losses) == [(Outcome.REFUSED, "too-many")]
    assert of(objects, "report") == ["feed (1 of 3)", "feed (2 of 3)", "feed (3 of 3)"]
    assert [ref for refs in of(objects, "report", "object_refs") for ref in refs] == [
        one["id"] for one in objects if one["type"] == "indicator"
    ]


def test_the_largest_report_fits_a_statement() -> None:
    lines = b"\n".join(b"%d.%d.203.5" % (number % 200 + 20, number // 200) for number in range(REPORT_REFS_MAX))
    assert len(of(run(lines)[0], "report")) == 1  # it passes the checks, which know the limit


@pytest.mark.parametrize("data", [b"", b" \n\n", b"\xff\xfe", b"\xef\xbb\xbf", b"\0" * 50])
def test_nothing_in_it_is_told(data: bytes) -> None:
    objects, losses = run(data)
    assert not objects
    assert losses[-1].rule == "nothing-found"


# --- HTML ------------------------------------------------------------------------------------------------------


def values(page: str, **options: Any) -> list[str]:
    return of(run(page.encode(), read_html, **options)[0], "indicator")


def test_what_a_page_shows_is_scanned_and_what_it_does_not_is_not() -> None:
    page = """<!doctype html><html><head><title>Advisory&nbsp;7</title><meta content="meta.example">
    <style>a{background:url(http://style.example/)}</style><script>var a = "script.example"</script></head>
    <body><!-- comment.example --><p>shown.example<p hidden>hidden.example</p>
    <div style="color:red; display : none">none.example<div>deep.example</div></div>
    <template>template.example</template><noscript>noscript.example</noscript>
    <img src="http://img.example/a.png" alt="alt.example">"""
    objects, losses = run(page.encode(), read_html)
    assert of(objects, "indicator") == ["shown.example", "noscript.example"]
    assert of(objects, "report") == ["Advisory 7"]
    assert rules(losses) == [(Outcome.UNMAPPED, "not-shown")]


def test_inline_elements_join_and_blocks_part() -> None:
    assert values("<p>ev<b>il</b>[<i>.</i>]exa<span>mple</span><wbr>.org</p>") == ["evil.example.org"]
    assert values("<table><tr><td>a.example<td>b.example<tr><th>192.0.2.7</th></table>") == [
        "a.example",
        "b.example",
        "192.0.2.7",
    ]
    assert values("<ul><li>a.example<li>b.example</ul>c.example<br>d.example") == [
        f"{letter}.example" for letter in "abcd"
    ]


def test_entities_are_read_and_spaces_of_the_source_are_none() -> None:
    assert values("<p>http&#58;//x.example/?a=1&amp;b=2 and y&#46;example</p>") == [
        "http://x.example/?a=1&b=2",
        "y.example",
    ]
    assert run(b"<p>look\n  at z.example</p>", read_html)[0][0]["description"] == "look at z.example"


def test_where_links_lead_is_scanned_and_marked() -> None:
    page = (
        '<a href="http://evil.example/x?a=1&amp;b=2">bank.example</a> <a href="mailto:ana@mail.example">A</a> '
        '<a href="/rel.html">r</a>'
    )
    objects, losses = run(page.encode(), read_html)
    assert of(objects, "indicator") == ["bank.example", "http://evil.example/x?a=1&b=2"]
    assert objects[1]["labels"] == ["link-target"]
    assert (Outcome.SEALED, "mail-address") in rules(losses)


def test_a_page_says_its_own_encoding() -> None:
    page = '<meta charset="windows-1251"><title>Отчёт</title><p>пример.рф'.encode("windows-1251")
    objects, losses = run(page, read_html)
    assert of(objects, "indicator") == ["xn--e1afmkfd.xn--p1ai"]
    assert of(objects, "report") == ["Отчёт"]
    assert not losses
    assert of(run(b'<meta charset="../../x"><p>a.example', read_html)[0], "indicator") == ["a.example"]


@pytest.mark.parametrize(
    ("page", "rule"),
    [
        ("<p>a.example<script>b.example", "unclosed"),
        ("<p>a.example<div hidden><div>b.example</div>", "unclosed"),
        ("<p>a.example<![bad[x]>", "not-shown"),
        ("<p>a.example<b " + "x" * (HTML_MARKUP_CHARS_MAX * 2), "markup"),
        ("<p>a.example<!-- " + "x" * (HTML_MARKUP_CHARS_MAX * 2), "markup"),
    ],
)
def test_broken_markup_hides_nothing_in_silence(page: str, rule: str) -> None:
    objects, losses = run(page.encode(), read_html)
    assert of(objects, "indicator") == ["a.example"]
    assert rule in [one.rule for one in losses]


def test_a_long_script_is_passed_over_to_its_end() -> None:
    page = "a.example<script>" + "x.example < y; " * 30_000 + "</script><p>b.example"
    objects, losses = run(page.encode(), read_html)
    assert of(objects, "indicator") == ["a.example", "b.example"]
    assert rules(losses) == [(Outcome.UNMAPPED, "not-shown")]


@pytest.mark.parametrize(
    "piece",
    [
        "<div>",
        "<",
        "</",
        "<!",
        "<!--",
        "<![",
        "<a ",
        "<a b='",
        "&",
        "&#",
        "&#9999999999;",
        "<p hidden>",
        "<?",
        "<script>",
    ],
)
def test_bombs_of_markup_cost_what_they_weigh(piece: str) -> None:
    page = "a.example " + piece * (400_000 // len(piece))
    objects, _ = run(page.encode(), read_html)
    assert of(objects, "indicator") == ["a.example"]


def test_a_page_in_chunks_of_any_size_gives_the_same() -> None:
    page = "<title>T</title><p>a.ex<b>ample</b> &amp; http://b.example/?x=1&amp;y=<p>bücher.example".encode()
    whole = list(read_html([page], CONTEXT))
    for size in (1, 2, 3, 7, 50):
        assert list(read_html([page[at : at + size] for at in range(0, len(page), size)], CONTEXT)) == whole


# --- any bytes -------------------------------------------------------------------------------------------------

MARKUP = st.lists(
    st.sampled_from(
        [
            *(
                "<p>",
                "</p>",
                "<div hidden>",
                "</div>",
                "<script>",
                "</script>",
                "<!--",
                "-->",
                "<![x",
                "<!",
                "<?",
                ">",
                "<",
            ),
            *(
                '<a href="',
                '">',
                "</a>",
                "<title>",
                "</title>",
                "<pre>",
                "&amp;",
                "&#x2e;",
                "&",
                "bad",
                ".",
                "example",
                " ",
            ),
            *(
                "http://",
                "@",
                "192.0.2.7",
                "\n",
                "\0",
                "\ufffd",
                "é",
                "<td>",
                "<br/>",
                "<p/>",
                "<meta charset=utf-7>",
                "=",
            ),
        ]
    ),
    max_size=60,
).map(lambda parts: "".join(parts).encode())


@pytest.mark.parametrize("reader", [read, read_html])
@given(
    data=st.binary(max_size=300) | MARKUP | st.text(max_size=200).map(lambda text: text.encode("utf-16")),
    size=st.integers(1, 50),
)
def test_any_bytes_give_objects_that_pass_or_losses(reader: Callable[..., Any], data: bytes, size: int) -> None:
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    items = list(reader(chunks, CONTEXT))
    made = [one.data for one in items if isinstance(one, Made)]
    assert all(isinstance(one, Checked) for one in check_many(made))
    assert all(isinstance(one, Made | Loss) for one in items)
    assert items
    assert items == list(reader([data], CONTEXT))


def test_observables_of_what_is_made_are_the_values() -> None:
    made = [
        one.data
        for one in read([b"bad[.]example HKLM\\Software\\Run\\x CVE-2021-44228"], CONTEXT)
        if isinstance(one, Made)
    ]
    found = [observable for one in check_many(made) if isinstance(one, Checked) for observable in one.observables]
    assert {Observable(*one[:2]) for one in found} >= {
        Observable("domain", "bad.example"),
        Observable("registry-key", "hkey_local_machine\\software\\run\\x"),
        Observable("cve", "CVE-2021-44228"),
    }
