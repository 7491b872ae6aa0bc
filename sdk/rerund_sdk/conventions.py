"""The names of all orientations of a coordinate system, for both classes that are called ViewCoordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rerund_sdk.components import ViewCoordinates

_DIRECTIONS = {"U": "Up", "D": "Down", "R": "Right", "L": "Left", "F": "Forward", "B": "Back"}


class _Convention:
    """A class attribute: the component with the directions that its letters stand for."""

    def __init__(self, letters: str) -> None:
        self.letters = letters

    def __get__(self, instance: object, owner: type) -> ViewCoordinates:
        from rerund_sdk.components import ViewCoordinates

        return ViewCoordinates([_DIRECTIONS[letter] for letter in self.letters])


class ViewCoordinatesConventions:
    """Three letters say where +X, +Y and +Z point: U(p) or D(own), R(ight) or L(eft), F(orward) or B(ack)."""

    BDL = _Convention("BDL")
    BDR = _Convention("BDR")
    BLD = _Convention("BLD")
    BLU = _Convention("BLU")
    BRD = _Convention("BRD")
    BRU = _Convention("BRU")
    BUL = _Convention("BUL")
    BUR = _Convention("BUR")
    DBL = _Convention("DBL")
    DBR = _Convention("DBR")
    DFL = _Convention("DFL")
    DFR = _Convention("DFR")
    DLB = _Convention("DLB")
    DLF = _Convention("DLF")
    DRB = _Convention("DRB")
    DRF = _Convention("DRF")
    FDL = _Convention("FDL")
    FDR = _Convention("FDR")
    FLD = _Convention("FLD")
    FLU = _Convention("FLU")
    FRD = _Convention("FRD")
    FRU = _Convention("FRU")
    FUL = _Convention("FUL")
    FUR = _Convention("FUR")
    LBD = _Convention("LBD")
    LBU = _Convention("LBU")
    LDB = _Convention("LDB")
    LDF = _Convention("LDF")
    LFD = _Convention("LFD")
    LFU = _Convention("LFU")
    LUB = _Convention("LUB")
    LUF = _Convention("LUF")
    RBD = _Convention("RBD")
    RBU = _Convention("RBU")
    RDB = _Convention("RDB")
    RDF = _Convention("RDF")
    RFD = _Convention("RFD")
    RFU = _Convention("RFU")
    RUB = _Convention("RUB")
    RUF = _Convention("RUF")
    UBL = _Convention("UBL")
    UBR = _Convention("UBR")
    UFL = _Convention("UFL")
    UFR = _Convention("UFR")
    ULB = _Convention("ULB")
    ULF = _Convention("ULF")
    URB = _Convention("URB")
    URF = _Convention("URF")

    RIGHT_HAND_X_DOWN = _Convention("DRB")
    RIGHT_HAND_X_UP = _Convention("URF")
    RIGHT_HAND_Y_DOWN = _Convention("RDF")
    RIGHT_HAND_Y_UP = _Convention("RUB")
    RIGHT_HAND_Z_DOWN = _Convention("RBD")
    RIGHT_HAND_Z_UP = _Convention("RFU")
    LEFT_HAND_X_DOWN = _Convention("DRF")
    LEFT_HAND_X_UP = _Convention("URB")
    LEFT_HAND_Y_DOWN = _Convention("RDB")
    LEFT_HAND_Y_UP = _Convention("RUF")
    LEFT_HAND_Z_DOWN = _Convention("RFD")
    LEFT_HAND_Z_UP = _Convention("RBU")
