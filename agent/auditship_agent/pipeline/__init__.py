"""Where the stages meet: bytes -> lines -> records -> events -> bodies -> acknowledgement.

    source     files, rotation, complete lines
    parsing    one preset a format
    normalize  one schema
    batch      bodies
    deliver    the strict reply contract
    progress   the contiguous acknowledged prefix, kept by the checkpoint

Invariant of each source: lines read = stored + already present + dead letter + ignored + pending.
"""
