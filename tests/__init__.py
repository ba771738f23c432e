"""Tests: one file per subject; what they share is in support/."""
