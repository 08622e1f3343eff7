"""The x86-64 signal frame: what the kernel puts on the stack before a handler, and takes off again.

From the top: the XSAVE area at a multiple of 64, behind it FP_XSTATE_MAGIC2 (a CPU model without
XSAVE has an FXSAVE image alone), then struct rt_sigframe with its end 8 below a multiple of 16, as
if the handler had been called: return address, struct ucontext, siginfo_t.
Linux: arch/x86/kernel/signal.c, signal_64.c and fpu/signal.c; layout: uapi asm/sigcontext.h and
asm/ucontext.h.
"""

from __future__ import annotations

from errno import EINVAL, ENOMEM, EPERM
from struct import Struct

from blink.abi.layout import MASK64
from blink.abi.signals import MINSIGSTKSZ, SS_AUTODISARM, SS_DISABLE, SS_ONSTACK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink._engine import Cpu
    from blink.kernel.task import AltStack, Task

    Stack = tuple[int, int, int]

RED_ZONE = 128
FXSAVE_SIZE, HEADER_END = 512, 576
ALL_STATE = 7  # XCR0 bits: x87, SSE, AVX
_FX_STATE = 3

# pretcode; uc_flags, uc_link, uc_stack (sp, flags, size); 18 registers, 4 selectors, err, trapno,
# oldmask, cr2, fpstate, 8 reserved words; uc_sigmask; siginfo
_FRAME = Struct("<Q QQ QI4xQ 18Q 4H 4Q Q 64x Q 128s")
FRAME_SIZE = _FRAME.size  # 440

REGISTERS = (
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax",
    "rcx", "rsp", "rip", "eflags",
)  # fmt: skip
USER_CS, USER_SS = 0x33, 0x2B
UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS = 1, 2, 4
_UC_FLAGS = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS

FLAG_TF, FLAG_DF, FLAG_RF = 1 << 8, 1 << 10, 1 << 16
_RESTORED_FLAGS = 0x50DD5  # RF, AC, OF, DF, TF, SF, ZF, AF, PF, CF

# struct _fpx_sw_bytes, the end of an FXSAVE image: magic1, extended_size, xfeatures, xstate_size
_SW_BYTES = Struct("<IIQI28x")
_SW_AT = FXSAVE_SIZE - _SW_BYTES.size
_FX_USED = 416  # what the CPU writes of the image; the 48 bytes behind it are nobody's
_MAGIC1, _MAGIC2 = 0x46505853, (0x46505845).to_bytes(4, "little")
_WORD = Struct("<Q")

# AT_MINSIGSTKSZ: what Linux adds to the XSAVE area for the largest frame of any program, a 32-bit
# one: its sigframe, an FSAVE header, FP_XSTATE_MAGIC2, alignment to 64 and to 16.
_REST_OF_LARGEST = 736 + 112 + 4 + 63 + 15


class FrameOverflow(Exception):
    """The frame does not fit the alternate stack that the task is already on."""


class Trap:
    """What the last exception left: sc_trapno, sc_err, sc_cr2."""

    __slots__ = ("cr2", "error", "number")

    def __init__(self, number: int = 0, error: int = 0, cr2: int = 0) -> None:
        self.number = number
        self.error = error
        self.cr2 = cr2


def xsave_size(cpu: Cpu) -> int:
    """The size of the XSAVE area of this CPU model (CPUID leaf 0DH); 0 when it has no XSAVE."""
    return cpu.cpuid(0xD)[1]


def minsigstksz(cpu: Cpu) -> int:
    """AT_MINSIGSTKSZ: the largest frame, rounded up to 16."""
    return ((xsave_size(cpu) or FXSAVE_SIZE) + _REST_OF_LARGEST + 15) & ~15


def place(rsp: int, altstack: AltStack, use_altstack: bool, size: int) -> tuple[int, int]:
    """Where `size` bytes of FPU state and the frame go, below `rsp`.  Raises FrameOverflow."""
    checked = altstack.holds(rsp)
    sp = rsp - RED_ZONE
    if use_altstack and altstack.size and not altstack.holds(sp):
        sp = altstack.sp + altstack.size
        checked = True
    fpu = (sp - size) & ~63
    frame = ((fpu - FRAME_SIZE) & ~15) - 8
    if checked and not altstack.sp < frame <= altstack.sp + altstack.size:
        raise FrameOverflow
    return fpu & MASK64, frame & MASK64


def push(task: Task, restorer: int, info: bytes, saved_mask: int, use_altstack: bool) -> int:
    """Stores a frame with the task's state; its address.  Raises MemoryFault or FrameOverflow."""
    cpu = task.cpu
    stack = task.altstack
    extended = xsave_size(cpu)
    size = extended + len(_MAGIC2) if extended else FXSAVE_SIZE
    fpu, frame = place(cpu.get("rsp"), stack, use_altstack, size)
    data = _FRAME.pack(
        restorer,
        _UC_FLAGS | (UC_FP_XSTATE if extended else 0), 0,
        stack.sp, stack.flags, stack.size,
        *[cpu.get(name) for name in REGISTERS],
        USER_CS, 0, 0, USER_SS,
        task.trap.error, task.trap.number, saved_mask, task.trap.cr2,
        fpu,
        saved_mask,
        info,
    )  # fmt: skip
    used, rest = _fpu_image(cpu, extended)
    task.memory.write(fpu + _SW_AT, rest)
    task.memory.write(fpu, used)
    task.memory.write(frame, data)
    if stack.flags & SS_AUTODISARM:
        stack.disable()
    return frame


def _fpu_image(cpu: Cpu, extended: int) -> tuple[bytes, bytes]:
    """What is stored at the beginning of the FPU state, and what from the software's bytes on.

    XSTATE_BV has x87 and SSE in any case, so that programs that know only FXSAVE may change them.
    """
    area = cpu.xsave()
    size = extended or FXSAVE_SIZE
    there, xfeatures = _WORD.unpack_from(area, FXSAVE_SIZE)[0], cpu.get("xcr0")
    ours = _SW_BYTES.pack(_MAGIC1, size + len(_MAGIC2), xfeatures, size)
    if not extended:
        return area[:_FX_USED], ours
    header = _WORD.pack(there | _FX_STATE)
    return area[:_FX_USED], ours + header + area[FXSAVE_SIZE + 8 :] + _MAGIC2


def enter(task: Task, handler: int, signo: int, frame: int) -> None:
    """Makes the task go on at the handler, with initial FPU state and clear DF, TF and RF."""
    cpu = task.cpu
    cpu.set("eflags", cpu.get("eflags") & ~(FLAG_TF | FLAG_DF | FLAG_RF))
    cpu.init_fpu(ALL_STATE)
    cpu.set("rdi", signo)
    cpu.set("rax", 0)
    cpu.set("rsi", frame + FRAME_SIZE - 128)
    cpu.set("rdx", frame + 8)
    cpu.set("rsp", frame)
    cpu.rip = handler


class Saved:
    """What a frame holds: register values in the order of REGISTERS, the address of the FPU state
    (0: none), mask, stack."""

    __slots__ = ("altstack", "fpu", "mask", "registers")

    def __init__(self, registers: tuple[int, ...], fpu: int, mask: int, altstack: Stack) -> None:
        self.registers = registers
        self.fpu = fpu
        self.mask = mask
        self.altstack = altstack


def read(task: Task) -> Saved:
    """The frame below rsp, off which the handler has taken the return address.

    Raises MemoryFault.
    """
    values = _FRAME.unpack(task.memory.read(task.cpu.get("rsp") - 8, FRAME_SIZE))
    return Saved(values[6:24], values[-3], values[-2], values[3:6])


def restore(task: Task, saved: Saved) -> bool:
    """Sets all registers and the alternate stack; the mask is the caller's.

    The stack comes first, as in Linux since 6.12: a handler that is on it keeps what it has set.
    False: the FPU state cannot be loaded and is the initial one, RAX is 0, all else is restored.
    """
    cpu = task.cpu
    set_altstack(task.altstack, cpu.get("rsp"), *saved.altstack)
    flags = cpu.get("eflags") & ~_RESTORED_FLAGS
    for name, value in zip(REGISTERS, saved.registers, strict=True):
        cpu.set(name, value if name != "eflags" else flags | value & _RESTORED_FLAGS)
    try:
        _restore_fpu(task, saved.fpu)
    except (task.MemoryFault, ValueError):
        cpu.init_fpu(ALL_STATE)
        cpu.set("rax", 0)
        return False
    return True


def _restore_fpu(task: Task, fpu: int) -> None:
    """Loads what the frame names of the FPU state; the rest becomes initial.

    An area without the two magic numbers is an FXSAVE image that knows nothing of XSAVE.  Raises
    MemoryFault, or ValueError for an address, a header or an MXCSR that the CPU refuses.
    """
    cpu, memory = task.cpu, task.memory
    if not fpu:
        cpu.init_fpu(ALL_STATE)
        return
    size = xsave_size(cpu)
    image = memory.read(fpu, FXSAVE_SIZE)
    magic, extended, xfeatures, said = _SW_BYTES.unpack_from(image, _SW_AT)
    whole = size and magic == _MAGIC1 and HEADER_END <= said <= min(size, extended)
    if whole and memory.read(fpu + size, len(_MAGIC2)) == _MAGIC2:
        _aligned(fpu, 64)
        cpu.xrstor(memory.read(fpu, size), xfeatures)
        cpu.init_fpu(cpu.get("xcr0") & ~xfeatures)
    else:
        _aligned(fpu, 16)
        cpu.fxrstor(image)
        cpu.init_fpu(ALL_STATE & ~_FX_STATE)


def _aligned(fpu: int, boundary: int) -> None:
    if fpu % boundary:
        raise ValueError(f"an FPU image at {fpu:#x}")


def set_altstack(stack: AltStack, rsp: int, sp: int, flags: int, size: int) -> int:
    """sigaltstack(2): 0, or an errno, with nothing changed."""
    if stack.holds(rsp):
        return EPERM
    mode = flags & ~SS_AUTODISARM
    if mode not in (0, SS_ONSTACK, SS_DISABLE):
        return EINVAL
    if mode == SS_DISABLE:
        sp = size = 0
    elif size < MINSIGSTKSZ:
        return ENOMEM
    stack.sp, stack.flags, stack.size = sp, flags, size
    return 0


def altstack_flags(stack: AltStack, rsp: int) -> int:
    """ss_flags as sigaltstack(2) tells them."""
    if not stack.size:
        return SS_DISABLE
    return (SS_ONSTACK if stack.holds(rsp) else 0) | stack.flags & SS_AUTODISARM
