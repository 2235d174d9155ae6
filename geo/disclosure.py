"""Disclosure control in one place: linked tables, suppression, the attacker's audit and masks of points."""

from geo.cell_audit import HIDDEN, SHOWN, WITHHELD, Audit, audit
from geo.cell_lp import intervals
from geo.joint import joint_audit, overlay, stack
from geo.linked import Dimension, Linked, cube, margins
from geo.masks import Masked, donut, radii
from geo.suppression import Suppression, first_pass, shares, suppress

__all__ = [
    "HIDDEN",
    "SHOWN",
    "WITHHELD",
    "Audit",
    "Dimension",
    "Linked",
    "Masked",
    "Suppression",
    "audit",
    "cube",
    "donut",
    "first_pass",
    "intervals",
    "joint_audit",
    "margins",
    "overlay",
    "radii",
    "shares",
    "stack",
    "suppress",
]
