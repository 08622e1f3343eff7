"""The x86-64 signal frame: what the kernel puts on the stack before a handler, and takes off again.

From the top: the FXSAVE image (512 bytes at a multiple of 64; CPUID does not offer XSAVE, so there
is no extended part and no FP_XSTATE_MAGIC1), then struct rt_sigframe with its end 8 below a
multiple of 16, as if the handler had been called: return address, struct ucontext, siginfo_t.
Linux: arch/x86/kernel/signal.c and signal_64.c; layout: uapi asm/sigcontext.h and asm/ucontext.h.
"""

from __future__ import annotations

from struct import Struct

from blink.abi.signals import MINSIGSTKSZ, SS_AUTODISARM, SS_DISABLE, SS_ONSTACK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import AltStack, Task

    Stack = tuple[int, int, int]

RED_ZONE = 128
FXSAVE_SIZE = 512

# pretcode; uc_flags, uc_link, uc_stack (sp, flags, size); 18 registers, 4 selectors, err, trapno,
# oldmask, cr2, fpstate, 8 reserved words; uc_sigmask; siginfo
_FRAME = Struct("<Q QQ QI4xQ 18Q 4H 4Q Q 64x Q 128s")
FRAME_SIZE = _FRAME.size  # 440

REGISTERS = (
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax",
    "rcx", "rsp", "rip", "eflags",
)  # fmt: skip
USER_CS, USER_SS = 0x33, 0x2B
UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS = 2, 4
_UC_FLAGS = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS

FLAG_TF, FLAG_DF, FLAG_RF = 1 << 8, 1 << 10, 1 << 16
_RESTORED_FLAGS = 0x50DD5  # RF, AC, OF, DF, TF, SF, ZF, AF, PF, CF
_FCW, _MXCSR, _MXCSR_MASK = slice(0, 2), slice(24, 28), 0xFFFF


def _initial_fpu() -> bytes:
    image = bytearray(FXSAVE_SIZE)
    image[_FCW] = (0x37F).to_bytes(2, "little")
    image[_MXCSR] = (0x1F80).to_bytes(4, "little")
    return bytes(image)


class FrameOverflow(Exception):
    """The frame does not fit the alternate stack that the task is already on."""


class Trap:
    """What the last exception left: sc_trapno, sc_err, sc_cr2."""

    __slots__ = ("cr2", "error", "number")

    def __init__(self, number: int = 0, error: int = 0, cr2: int = 0) -> None:
        self.number = number
        self.error = error
        self.cr2 = cr2


def place(rsp: int, altstack: AltStack, use_altstack: bool) -> tuple[int, int]:
    """Addresses of the FXSAVE image and of the frame below `rsp`.  Raises FrameOverflow."""
    inside = altstack.holds(rsp)
    sp = rsp - RED_ZONE
    if use_altstack and altstack.size and not inside:
        sp = altstack.sp + altstack.size
        inside = True
    fpu = (sp - FXSAVE_SIZE) & ~63
    frame = ((fpu - FRAME_SIZE) & ~15) - 8
    if inside and altstack.size and not altstack.sp < frame <= altstack.sp + altstack.size:
        raise FrameOverflow
    return fpu & (1 << 64) - 1, frame & (1 << 64) - 1


def push(task: Task, restorer: int, info: bytes, saved_mask: int, use_altstack: bool) -> int:
    """Stores a frame with the task's state; its address.  Raises MemoryFault or FrameOverflow."""
    cpu = task.cpu
    stack = task.altstack
    fpu, frame = place(cpu.get("rsp"), stack, use_altstack)
    data = _FRAME.pack(
        restorer,
        _UC_FLAGS, 0,
        stack.sp, stack.flags, stack.size,
        *[cpu.get(name) for name in REGISTERS],
        USER_CS, 0, 0, USER_SS,
        task.trap.error, task.trap.number, saved_mask, task.trap.cr2,
        fpu,
        saved_mask,
        info,
    )  # fmt: skip
    task.memory.write(fpu, cpu.fxsave())
    task.memory.write(frame, data)
    if stack.flags & SS_AUTODISARM:
        stack.disable()
    return frame


def enter(task: Task, handler: int, signo: int, frame: int) -> None:
    """Makes the task go on at the handler, with initial FPU state and clear DF, TF and RF."""
    cpu = task.cpu
    cpu.set("eflags", cpu.get("eflags") & ~(FLAG_TF | FLAG_DF | FLAG_RF))
    cpu.fxrstor(_initial_fpu())
    cpu.set("rdi", signo)
    cpu.set("rax", 0)
    cpu.set("rsi", frame + FRAME_SIZE - 128)
    cpu.set("rdx", frame + 8)
    cpu.set("rsp", frame)
    cpu.rip = handler


class Saved:
    """What a frame holds: register values in the order of REGISTERS, FXSAVE image, mask, stack."""

    __slots__ = ("altstack", "fpu", "mask", "registers")

    def __init__(self, registers: tuple[int, ...], fpu: bytes, mask: int, altstack: Stack) -> None:
        self.registers = registers
        self.fpu = fpu
        self.mask = mask
        self.altstack = altstack


def read(task: Task) -> Saved:
    """The frame below rsp, off which the handler has taken the return address.

    Raises MemoryFault.
    """
    values = _FRAME.unpack(task.memory.read(task.cpu.get("rsp") - 8, FRAME_SIZE))
    fpstate, mask = values[-3], values[-2]
    fpu = _legal(task.memory.read(fpstate, FXSAVE_SIZE)) if fpstate else _initial_fpu()
    return Saved(values[6:24], fpu, mask, values[3:6])


def restore(task: Task, saved: Saved) -> None:
    """Sets all registers and the alternate stack; the mask is the caller's.

    The stack comes first, as in Linux since 6.12: a handler that is on it keeps what it has set.
    """
    cpu = task.cpu
    set_altstack(task.altstack, cpu.get("rsp"), *saved.altstack)
    flags = cpu.get("eflags") & ~_RESTORED_FLAGS
    for name, value in zip(REGISTERS, saved.registers, strict=True):
        cpu.set(name, value if name != "eflags" else flags | value & _RESTORED_FLAGS)
    cpu.fxrstor(saved.fpu)


def _legal(image: bytes) -> bytes:
    """Clears reserved bits of MXCSR, which a handler may have set."""
    mxcsr = int.from_bytes(image[_MXCSR], "little") & _MXCSR_MASK
    return image[:24] + mxcsr.to_bytes(4, "little") + image[28:]


def set_altstack(stack: AltStack, rsp: int, sp: int, flags: int, size: int) -> str | None:
    """sigaltstack(2): None, or the name of the error (EPERM, EINVAL, ENOMEM), nothing changed."""
    if stack.holds(rsp):
        return "EPERM"
    mode = flags & ~SS_AUTODISARM
    if mode not in (0, SS_ONSTACK, SS_DISABLE):
        return "EINVAL"
    if mode == SS_DISABLE:
        sp = size = 0
    elif size < MINSIGSTKSZ:
        return "ENOMEM"
    stack.sp, stack.flags, stack.size = sp, flags, size
    return None


def altstack_flags(stack: AltStack, rsp: int) -> int:
    """ss_flags as sigaltstack(2) tells them."""
    if not stack.size:
        return SS_DISABLE
    return (SS_ONSTACK if stack.holds(rsp) else 0) | stack.flags & SS_AUTODISARM
