"""Files as the guest sees them: paths under a root, and what /proc tells of the process.

`Files` (files.py) is what the system calls ask.
"""
