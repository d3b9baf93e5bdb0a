"""Tests of tap-siro."""
