"""Texts written for this project, as JSON Lines. A package only so that the files ship in the wheel."""
