"""Codes of arch_prctl(2) (Linux uapi asm/prctl.h)."""

from __future__ import annotations

from blink.abi.flags import enumeration

ARCH_SET_GS, ARCH_SET_FS, ARCH_GET_FS, ARCH_GET_GS = 0x1001, 0x1002, 0x1003, 0x1004
ARCH_GET_CPUID, ARCH_SET_CPUID = 0x1011, 0x1012
ARCH = enumeration(
    {
        "ARCH_SET_GS": ARCH_SET_GS,
        "ARCH_SET_FS": ARCH_SET_FS,
        "ARCH_GET_FS": ARCH_GET_FS,
        "ARCH_GET_GS": ARCH_GET_GS,
        "ARCH_GET_CPUID": ARCH_GET_CPUID,
        "ARCH_SET_CPUID": ARCH_SET_CPUID,
        "ARCH_CET_STATUS": 0x3001,
    }
)
