"""Rightful: find everything an organization holds on one person and deliver it as a verified package."""

__version__ = "0.1.0"
