"""Where things live in a guest's address space: every number is part of a recording's meaning.

What calls each other lies within 4 GiB, because processors predict branches that go further
badly (bash ran 2.7 instead of 1.7 times as long as natively): libraries end 1.5 GiB below the
program, and the translator's arenas lie between the two (engine/jit.c).
"""

PAGE = 0x1000
MASK64 = (1 << 64) - 1
GUEST_MIN = 0x1_0000
GUEST_TOP = 0x2000_0000_0000
PIE_BASE = 0x1000_0000_0000
MMAP_TOP = 0x0FFF_A000_0000
IMAGE_TOP = 0x1FFF_0000_0000
STACK_TOP = 0x1FFF_FFFF_F000
STACK_SIZE = 8 << 20
PAGED_SKEW = 0x2000_0000_0000
