"""What the C library's allocator does with memory that was freed (glibc; others are left alone).

By itself glibc gives each thread a heap of its own, and raises the size from which a block is
mapped apart as soon as a larger one is freed. An agent makes bodies in one thread and frees them
in another, all day: without bounds, its heaps fill with holes.
"""

import ctypes
from typing import Final

_ARENA_MAX: Final = -8  # mallopt(3)
_MMAP_THRESHOLD: Final = -3
_TRIM_THRESHOLD: Final = -1
_BLOCK_BYTES: Final = 65_536  # what is as large as a piece of a file is mapped apart, for good


def keep_small() -> None:
    """Have freed memory given back. Call it before any other thread is started."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        return
    for name, value in (
        (_ARENA_MAX, 1),
        (_MMAP_THRESHOLD, _BLOCK_BYTES),
        (_TRIM_THRESHOLD, _BLOCK_BYTES),
    ):
        libc.mallopt(name, value)


def give_back() -> None:
    """Return what start-up has freed to the system."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
