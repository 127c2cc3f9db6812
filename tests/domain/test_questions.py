"""Questions and answers: what may be said, what is refused, and the picture as a fold over sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from comity import canon
from comity.areas import intel
from comity.areas.intel import merging, questions
from comity.areas.intel.merging import Posed, Status, Told, merge
from comity.areas.intel.questions import (
    ANSWER_MEDIA,
    DAY,
    QUESTION_MEDIA,
    Answer,
    Line,
    Question,
    Said,
    Subject,
    Wanted,
    Why,
    read_answer,
    read_question,
    subject_of,
)
from comity.canon import OfficeId, Origin
from comity.errors import Malformed, Refused, Theirs, TooLarge
from comity.formats import observables
from comity.statement import INTEL_ANSWER, INTEL_QUESTION, INTEL_RELAY, Header, Marking, Ref, Relayed
from comity.vocab import Priority, Tlp

AT = 1_790_000_000
LEAF = canon.b64(b"\7" * 32)
OTHER_LEAF = canon.b64(b"\x08" * 32)
ASKED_IN = Origin("cert.arcadia.example/accord/all/1")
ASKER = "cert.arcadia.example/csirt"
ADDRESS = Subject("ipv4", "192.0.2.7")
NAME = Subject("domain", "evil.example")
INDICATOR = Subject("stix-id", "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f")
AMBER = Marking(Tlp.AMBER)
TO_QUESTION = Ref(ASKED_IN, 4, LEAF, "question")
TO_ANSWER = Ref(Origin("cert.borealia.example/accord/all/1"), 2, OTHER_LEAF, "reply")


def header(kind: str, *refs: Ref, **more: Any) -> Header:
    media = QUESTION_MEDIA if kind == INTEL_QUESTION else ANSWER_MEDIA
    made = Header(1, kind, OfficeId("csirt"), 1, AT, media, AMBER, refs=refs)
    return msgspec.structs.replace(made, **more)


ASKING = header(INTEL_QUESTION)
ANSWERING = header(INTEL_ANSWER, TO_QUESTION)
CLARIFYING = header(INTEL_ANSWER, TO_QUESTION, TO_ANSWER)
GOOD = Question(Why.INCIDENT, (ADDRESS, NAME, INDICATOR), "in mail gateways", "an incident", (Wanted.SEEN,), AT + 60)


# -- questions -----------------------------------------------------------------------


def test_a_question_is_read_as_it_was_written() -> None:
    assert read_question(ASKING, canon.encode(GOOD)) == GOOD


def test_a_question_has_no_field_for_a_person_or_an_opinion() -> None:
    assert set(Question.__struct_fields__) == {"why", "about", "text", "note", "wants", "deadline"}
    body = canon.encode({**msgspec.to_builtins(GOOD), "person": "somebody"})
    with pytest.raises(Malformed, match="unknown field"):
        read_question(ASKING, body)


@pytest.mark.parametrize(
    "subject",
    [
        Subject("text", "Jane Doe"),
        Subject("person", "Jane Doe"),
        Subject("stix-id", "identity--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"),
        Subject("stix-id", "user-account--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"),
        Subject("stix-id", "opinion--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"),
        Subject("stix-id", "x-person--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"),
        Subject("stix-id", "indicator--1"),
        Subject("domain", "EVIL.example"),
        Subject("domain", "evil[.]example"),
        Subject("ipv4", "192.0.2.777"),
        Subject("", ""),
    ],
)
def test_only_technical_values_in_normal_form_are_asked_about(subject: Subject) -> None:
    with pytest.raises(Malformed, match="nothing that may be asked about"):
        read_question(ASKING, canon.encode(Question(Why.HUNT, (subject,))))


def test_a_question_without_a_value_names_conduct_from_the_closed_list() -> None:
    body = canon.encode(Question(Why.HUNT, text="logins from hosting ranges since May?"))
    with pytest.raises(Refused, match="names conduct"):
        read_question(ASKING, body)
    assert read_question(header(INTEL_QUESTION, conduct="credential-theft"), body).text


@pytest.mark.parametrize(
    ("question", "error", "because"),
    [
        (Question(Why.HUNT), Malformed, "asks nothing"),
        (Question(Why.HUNT, text=" \n"), Malformed, "asks nothing"),
        (Question(Why.HUNT, (NAME, NAME)), Malformed, "each value once"),
        (Question(Why.HUNT, (NAME,), wants=()), Malformed, "which kinds of answer"),
        (Question(Why.HUNT, (NAME,), wants=(Wanted.SEEN, Wanted.SEEN)), Malformed, "which kinds of answer"),
        (Question(Why.HUNT, (NAME,), deadline=-1), Malformed, "deadline"),
        (Question(Why.HUNT, (NAME,), "x" * 2_001), TooLarge, "text of 2001 characters"),
        (Question(Why.HUNT, (NAME,), note="x" * 501), TooLarge, "note of 501 characters"),
        (
            Question(Why.HUNT, tuple(Subject("domain", f"n{n}.example") for n in range(1_001))),
            TooLarge,
            "QUESTION_VALUES_MAX",
        ),
        (
            Question(Why.HUNT, tuple(Subject("file-name", f"{n:04}" + "x" * 4_000) for n in range(70))),
            TooLarge,
            "ASKING_BYTES_MAX",
        ),
    ],
)
def test_what_is_no_question_is_refused_by_name(question: Question, error: type[Theirs], because: str) -> None:
    with pytest.raises(error, match=because):
        read_question(ASKING, canon.encode(question))


def test_a_reason_that_is_not_on_the_closed_list_is_refused() -> None:
    body = canon.encode({**msgspec.to_builtins(GOOD), "why": "curiosity"})
    with pytest.raises(Malformed, match="curiosity"):
        read_question(ASKING, body)


def test_a_question_of_another_media_type_is_refused() -> None:
    with pytest.raises(Malformed, match="is application/vnd.comity.question"):
        read_question(header(INTEL_QUESTION, media=ANSWER_MEDIA), canon.encode(GOOD))


@given(st.sampled_from(observables.KINDS), st.text(max_size=60))
@example("domain", "EVIL.Example")
@example("url", "HTTP://Evil.example:80/a?b#c")
@example("registry-key", "HKLM\\Software\\X")
def test_what_may_be_asked_about_is_its_own_normal_form(kind: str, text: str) -> None:
    subject = subject_of(kind, text)
    assert subject is None or subject_of(subject.kind, subject.value) == subject


# -- answers -------------------------------------------------------------------------


def seen(subject: Subject = ADDRESS, count: int = 1, **more: Any) -> Line:
    return Line(Said.SEEN, subject.kind, subject.value, count, **more)


def says(said: Said, subject: Subject = ADDRESS, **more: Any) -> Line:
    return Line(said, subject.kind, subject.value, **more)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(
            (seen(count=3, first=DAY, last=2 * DAY, confidence=80, note="at the border"), says(Said.NOT_SEEN, NAME))
        ),
        Answer((seen(), says(Said.MALICIOUS))),
        Answer((says(Said.NO_ANSWER), says(Said.BENIGN, NAME))),
        Answer(declined=True),
        Answer(forward="cert.borealia.example/police"),
        Answer((seen(first=DAY + 1),), exact=True),
        Answer(note="which gateway?"),
        Answer((Line(Said.SEEN, count=2),)),
    ],
)
def test_an_answer_is_read_as_it_was_written(answer: Answer) -> None:
    assert read_answer(ANSWERING, canon.encode(answer)) == answer


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (Answer(), "says nothing"),
        (Answer(exact=True), "says nothing"),
        (Answer(declined=True, note="not allowed to"), "nothing more"),
        (Answer((seen(),), declined=True), "nothing more"),
        (Answer((seen(), seen(count=2))), "each thing of a value once"),
        (Answer((seen(), says(Said.NOT_SEEN))), "contradicts itself"),
        (Answer((says(Said.MALICIOUS), says(Said.BENIGN))), "contradicts itself"),
        (Answer((seen(), says(Said.NO_ANSWER))), "contradicts itself"),
        (Answer((seen(count=0),)), "at least once"),
        (Answer((says(Said.NOT_SEEN, count=1),)), "nothing else has a count"),
        (Answer((says(Said.NOT_SEEN, last=DAY),)), "only what was seen has times"),
        (Answer((seen(first=2 * DAY, last=DAY),)), "before the first"),
        (Answer((seen(first=DAY + 1),)), "to the second"),
        (Answer((seen(last=-DAY),)), "before the first"),
        (Answer((seen(confidence=101),)), "from 0 to 100"),
        (Answer((says(Said.NO_ANSWER, note="because"),)), "says nothing more of it"),
        (Answer((Line(Said.BENIGN, "", "192.0.2.7"),)), "without its kind"),
        (Answer((Line(Said.BENIGN, "text", "Jane Doe"),)), "nothing that was asked about"),
        (Answer(forward="cert.borealia.example"), "office"),
        (Answer(forward="cert.borealia.example/csirt/jane"), "office"),
        (Answer(see=("identity--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",)), "no object"),
    ],
)
def test_what_is_no_answer_is_refused_by_name(answer: Answer, because: str) -> None:
    with pytest.raises(Malformed, match=because):
        read_answer(ANSWERING, canon.encode(answer))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(note="x" * 501),
        Answer(action="x" * 501),
        Answer((seen(note="x" * 501),)),
        Answer(see=(INDICATOR.value,) * 65),
        Answer(tuple(Line(Said.BENIGN, "domain", f"n{n}.example") for n in range(2_001))),
    ],
)
def test_an_answer_over_a_limit_names_it(answer: Answer) -> None:
    with pytest.raises(TooLarge):
        read_answer(ANSWERING, canon.encode(answer))


@pytest.mark.parametrize(
    "refs",
    [
        (),
        (TO_QUESTION, msgspec.structs.replace(TO_QUESTION, index=5)),
        (TO_ANSWER,),
        (TO_QUESTION, TO_ANSWER, msgspec.structs.replace(TO_ANSWER, index=9)),
        (msgspec.structs.replace(TO_QUESTION, origin=Origin("cert.arcadia.example/home/1")),),
        (msgspec.structs.replace(TO_QUESTION, origin=Origin("nonsense")),),
        (msgspec.structs.replace(TO_QUESTION, index=-1),),
        (msgspec.structs.replace(TO_QUESTION, leaf="AAAA"),),
        (TO_QUESTION, msgspec.structs.replace(TO_ANSWER, origin=Origin("cert.borealia.example/accord/pair/1"))),
        (TO_QUESTION, msgspec.structs.replace(TO_QUESTION, role="reply")),
    ],
)
def test_an_answer_names_one_question_and_at_most_one_answer(refs: tuple[Ref, ...]) -> None:
    with pytest.raises(Malformed):
        read_answer(header(INTEL_ANSWER, *refs), canon.encode(Answer(note="x")))


def test_a_clarification_has_words_only() -> None:
    assert read_answer(CLARIFYING, canon.encode(Answer(note="since when?"))).note
    for answer in (Answer((seen(),)), Answer(declined=True)):
        with pytest.raises(Malformed, match="a clarification has words"):
            read_answer(CLARIFYING, canon.encode(answer))


GOOD_BODIES = (canon.encode(GOOD), canon.encode(Answer((seen(count=3), says(Said.NOT_SEEN, NAME)), note="x")))


@given(st.one_of(st.binary(max_size=300), st.sampled_from(GOOD_BODIES)), st.integers(0, 400), st.integers(0, 255))
def test_any_bytes_are_a_body_or_their_sender_is_at_fault(data: bytes, at: int, byte: int) -> None:
    bodies = [data, data[: at % (len(data) + 1)] + bytes([byte]) + data[at % (len(data) + 1) + 1 :]]
    for body in bodies:
        for read, head in ((read_question, ASKING), (read_answer, ANSWERING), (read_answer, CLARIFYING)):
            try:
                read(head, body)
            except Theirs:
                continue
        items = [intel.Item(1, ASKING, body), intel.Item(2, ANSWERING, body)]
        folded = intel.fold(items)
        assert len(folded.questions) + len(folded.answers) + len(folded.refused) == 2


def test_rows_come_from_a_statement_s_own_bytes_and_a_relay_of_one_gives_none() -> None:
    relayed = Relayed(ASKED_IN, OfficeId("csirt"), INTEL_QUESTION, 1)
    relay = header(INTEL_RELAY, relayed=relayed)
    folded = intel.fold(
        [
            intel.Item(7, ASKING, canon.encode(GOOD)),
            intel.Item(8, ANSWERING, canon.encode(Answer(declined=True))),
            intel.Item(9, relay, canon.encode(GOOD)),
        ]
    )
    assert folded.questions == [(7, AT + 60, 3)]
    assert folded.answers == [(8, questions.question_key(ASKED_IN, 4))]
    assert not folded.refused


# -- the picture ---------------------------------------------------------------------


def posed(*asked: str, deadline: int = AT + 100, **more: Any) -> Posed:
    question = more.pop("question", Question(Why.HUNT, (ADDRESS, NAME), deadline=deadline))
    fields = {
        "origin": ASKED_IN,
        "index": 4,
        "leaf": LEAF,
        "asker": ASKER,
        "at": AT,
        "version": 1,
        "marking": msgspec.structs.replace(AMBER, to=asked),
        "asked": asked,
        "consented": (),
        "retracted": False,
        "priority": Priority.ROUTINE,
        "conduct": "",
        "question": question,
    }
    return Posed(**{**fields, **more})


def told(party: str, index: int, answer: Answer, *, at: int = AT + 10, retracted: bool = False, **more: Any) -> Told:
    generation = more.pop("generation", 1)
    return Told(
        origin=Origin(f"cert.{party}.example/accord/all/{generation}"),
        index=index,
        leaf=canon.b64(bytes([index % 256]) * 32),
        office=f"cert.{party}.example/csirt",
        at=at,
        marking=AMBER,
        retracted=retracted,
        about=more.pop("about", TO_QUESTION),
        reply=more.pop("reply", None),
        answer=answer,
    )


PARTIES = ("borealia", "cascadia", "dorado")
AWAITED = tuple(f"cert.{party}.example" for party in PARTIES)


def statuses(picture: merging.Picture) -> list[tuple[str, int, Status]]:
    return [(entry.told.office, entry.told.index, entry.status) for entry in picture.thread]


def test_the_picture_says_who_saw_what_who_declined_who_is_late_and_whom_it_waits_for() -> None:
    picture = merge(
        posed(),
        [
            told("borealia", 3, Answer((seen(count=3, first=DAY, last=4 * DAY), says(Said.MALICIOUS, NAME)))),
            told("cascadia", 5, Answer((seen(count=2, first=2 * DAY), says(Said.BENIGN, NAME))), at=AT + 101),
            told("elysia", 1, Answer(declined=True)),
            told("dorado", 1, Answer(forward="cert.florin.example/police")),
        ],
        (*AWAITED, "cert.florin.example"),
    )
    address, name = picture.subjects
    assert address.offices(Said.SEEN) == ("cert.borealia.example/csirt", "cert.cascadia.example/csirt")
    assert (address.count, address.first, address.last, address.contradicted) == (5, DAY, 4 * DAY, False)
    assert name.contradicted and name.offices(Said.BENIGN) == ("cert.cascadia.example/csirt",)
    assert picture.declined == picture.volunteered == ("cert.elysia.example/csirt",)
    assert picture.forwarded == (("cert.dorado.example/csirt", "cert.florin.example/police"),)
    assert picture.late == ("cert.cascadia.example/csirt",)
    assert picture.awaited == ("cert.florin.example",)
    assert len(picture.answered) == 4, "who declines or forwards has answered"


def test_seen_here_and_not_there_stands_side_by_side_and_contradicts_nothing() -> None:
    picture = merge(
        posed(),
        [told("borealia", 3, Answer((seen(),))), told("cascadia", 3, Answer((says(Said.NOT_SEEN),)))],
        AWAITED,
    )
    assert picture.subjects[0].offices(Said.NOT_SEEN) == ("cert.cascadia.example/csirt",)
    assert not picture.subjects[0].contradicted


def test_the_newest_answer_of_an_office_counts_by_its_log_and_not_by_its_clock() -> None:
    older = told("borealia", 3, Answer((seen(count=9),)), at=AT + 90)
    newer = told("borealia", 8, Answer((seen(count=1),)), at=AT + 1)
    renewed = told("borealia", 2, Answer((says(Said.NOT_SEEN),)), generation=2)
    assert merge(posed(), [newer, older], AWAITED).subjects[0].count == 1
    picture = merge(posed(), [renewed, newer, older], AWAITED)
    assert picture.subjects[0].offices(Said.NOT_SEEN) == ("cert.borealia.example/csirt",)
    assert [status for _, _, status in statuses(picture)] == [Status.REPLACED, Status.REPLACED, Status.COUNTS]


def test_a_retracted_correction_leaves_the_answer_before_it_and_a_retracted_answer_none() -> None:
    older, newer = told("borealia", 3, Answer((seen(),))), told("borealia", 8, Answer(declined=True), retracted=True)
    picture = merge(posed(), [older, newer], AWAITED)
    assert [status for _, _, status in statuses(picture)] == [Status.COUNTS, Status.RETRACTED]
    alone = merge(posed(), [newer], AWAITED)
    assert (alone.answered, alone.awaited) == ((), AWAITED)


def test_a_clarification_stands_in_the_thread_and_replaces_nothing() -> None:
    answer = told("borealia", 3, Answer((seen(),)))
    clarifies = told("borealia", 5, Answer(note="by the proxy"), reply=Ref(answer.origin, 3, answer.leaf, "reply"))
    picture = merge(posed(), [clarifies, answer], AWAITED)
    assert [status for _, _, status in statuses(picture)] == [Status.COUNTS, Status.CLARIFIES]


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (told("borealia", 3, Answer((seen(INDICATOR),))), "what was not asked"),
        (told("borealia", 3, Answer((Line(Said.SEEN, count=1),))), "what was not asked"),
        (
            told("borealia", 3, Answer((seen(),)), about=msgspec.structs.replace(TO_QUESTION, leaf=OTHER_LEAF)),
            "another statement",
        ),
        (told("arcadia", 3, Answer((seen(),))), "who asks does not answer"),
        (told("elysia", 3, Answer((seen(),))), "could not read"),
    ],
)
def test_what_does_not_fit_the_question_is_shown_and_not_counted(answer: Told, because: str) -> None:
    picture = merge(posed("cert.borealia.example/csirt"), [answer], ["cert.borealia.example/csirt"])
    (entry,) = picture.thread
    assert entry.status is Status.UNFIT and because in entry.why
    assert (picture.answered, picture.awaited) == ((), ("cert.borealia.example/csirt",))
    assert not any(subject.voices for subject in picture.subjects)


def test_whom_the_asker_let_have_it_since_may_answer_unasked() -> None:
    question = posed("cert.borealia.example/csirt", consented=("cert.elysia.example/csirt",))
    picture = merge(question, [told("elysia", 3, Answer((seen(),)))], ["cert.borealia.example/csirt"])
    assert picture.volunteered == ("cert.elysia.example/csirt",)


def test_a_question_to_a_person_may_be_answered_by_that_person_s_office() -> None:
    assert merging.could_read(posed("cert.borealia.example/csirt/duty"), "cert.borealia.example/csirt")
    assert not merging.could_read(posed("cert.borealia.example/csirt/duty"), "cert.borealia.example/cs")
    assert not merging.could_read(posed(marking=Marking(Tlp.RED)), "cert.borealia.example/csirt")


def test_a_question_about_no_value_is_answered_as_a_whole() -> None:
    question = Question(Why.HUNT, text="logins from there?")
    picture = merge(posed(question=question), [told("borealia", 1, Answer((Line(Said.SEEN, count=4),)))], AWAITED)
    (whole,) = picture.subjects
    assert (whole.subject, whole.count) == (Subject("", ""), 4)


LINES = st.lists(
    st.one_of(
        st.builds(seen, st.sampled_from([ADDRESS, NAME, INDICATOR]), st.integers(1, 9), last=st.just(DAY)),
        st.builds(
            says, st.sampled_from([Said.NOT_SEEN, Said.BENIGN, Said.MALICIOUS]), st.sampled_from([ADDRESS, NAME])
        ),
    ),
    max_size=3,
).map(tuple)
TOLD = st.builds(
    told,
    st.sampled_from([*PARTIES, "arcadia", "elysia"]),
    st.integers(0, 5),
    st.one_of(st.builds(Answer, LINES), st.just(Answer(declined=True)), st.just(Answer(note="x"))),
    at=st.integers(AT, AT + 200),
    retracted=st.booleans(),
    reply=st.sampled_from([None, None, TO_ANSWER]),
    generation=st.integers(1, 2),
)


@given(
    st.lists(TOLD, max_size=9, unique_by=lambda one: (one.origin, one.index)),
    st.randoms(use_true_random=False),
    st.sampled_from([(), ("cert.borealia.example/csirt", "cert.dorado.example/csirt")]),
)
def test_order_and_repetition_change_nothing(answers: Sequence[Told], random: Any, asked: tuple[str, ...]) -> None:
    picture = merge(posed(*asked), answers, AWAITED)
    again = [*answers, *answers[: len(answers) // 2]]
    random.shuffle(again)
    assert merge(posed(*asked), again, reversed(AWAITED)) == picture
    assert len(picture.thread) == len(answers)
    counting = [entry for entry in picture.thread if entry.status is Status.COUNTS]
    assert len({entry.told.office for entry in counting}) == len(counting), "one answer of each office counts"
    assert not set(picture.awaited) & {office.partition("/")[0] for office in picture.answered}
