"""Find log files, know them again, and turn their bytes into complete lines.

A file is known by its content: generation (hash of its first line) and anchor (hash of the bytes
before the offset). Resume happens only where both match; else a file is read from 0, which is
always right, since stored lines meet 409. A wrong guess costs time, never a line and never a
double.
"""
