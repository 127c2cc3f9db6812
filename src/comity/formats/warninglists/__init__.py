"""Warning lists: values that are likely false positives, or known to all; in the format of MISP's warning lists.

`build` takes the bytes of many lists; the `Warnings` it returns say of an observable which lists hold it, by which
entry, and why. Nothing here decides anything: a warning is a fact for whoever decides.
"""

from comity.formats.warninglists.checking import Builder as Builder
from comity.formats.warninglists.checking import ListWarning as ListWarning
from comity.formats.warninglists.checking import Warnings as Warnings
from comity.formats.warninglists.checking import build as build
from comity.formats.warninglists.reading import Category as Category
from comity.formats.warninglists.reading import Listed as Listed
from comity.formats.warninglists.reading import Matching as Matching
