"""The release decision: may this statement go to that audience, under these terms, now?

`decide` asks these rules, all of them, so that an answer names every ground and not only the first:

 1. accord      the accord is in force and the audience's office takes part in it
 2. kind        the accord opens the kind, and the kind may leave an office at all
 3. newcomer    payloads older than an office's accession need their author's release
 4. standing    retracted and erased statements go nowhere
 5. tlp         TLP 2.0: RED named persons, AMBER+STRICT the office, AMBER its clients, GREEN the community
 6. ceiling     nothing above the accord's or the correspondent's ceiling
 7. recipients  where the marking names recipients, only they
 8. onward      who holds it but did not write it passes it on only as the label or a consent allows
 9. pap         sensors and outside look-ups only as the Permissible Actions Protocol allows
10. embargo     nobody before its time
11. use         for defence; other uses need a formal request the author granted
12. transfer    personal data stays in the jurisdictions it may go to
13. speech      conduct from the closed list; expression is never a ground
14. exercise    exercise data never leaves exercise accords nor reaches sensors, and no other enters them

An act carries no content and passes every gate, to whoever is or was a member; one that narrows also
to the holder's own correspondents.

Rules: pure and total; the caller supplies the time. No rules means no release. Only this package makes
a `Release`, and everything that sends accepts nothing else. A consent opens what its author could have
said at once (recipients, onward, newcomers, AMBER's clients), and nothing that protects somebody else.
"""

from __future__ import annotations

from comity.policy.case import Finding, Rule
from comity.policy.decision import RULES, Decision, Release, Withholding, decide
from comity.policy.lawful import NEEDS_CONDUCT, speech
from comity.policy.subject import Audience, Facts, facts, parse_audience
from comity.policy.terms import EMPTY, Terms, terms_of

__all__ = [
    "EMPTY",
    "NEEDS_CONDUCT",
    "RULES",
    "Audience",
    "Decision",
    "Facts",
    "Finding",
    "Release",
    "Rule",
    "Terms",
    "Withholding",
    "decide",
    "facts",
    "parse_audience",
    "speech",
    "terms_of",
]
