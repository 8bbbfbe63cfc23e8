"""The posts of the demonstration: one TOML file per channel, written by hand (see demo_site/README.md)."""
