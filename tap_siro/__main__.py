"""Run the tap with `python -m tap_siro`."""

from tap_siro.tap import TapSiro

TapSiro.cli()
