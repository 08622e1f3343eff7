"""Roots made of layers and mounts: what `-C`, `--overlay`, `--bind`, `--tmpfs` and `--image` show.

Nothing here is imported before one of them is asked for.  `setup.install` is where it begins.
"""
