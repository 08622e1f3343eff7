"""Blinkenlights: run, watch and rewind x86-64 programs in an unprivileged user-space machine."""

__version__ = "0.1.0"
