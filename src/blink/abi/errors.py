"""The exception that carries a guest-visible error number."""


class SysError(Exception):
    """A system call fails with `errno`: the guest sees -errno in RAX.

    Guest errors are this type and nothing else; any other exception is a bug of ours and stops the
    emulator with the guest's state.
    """

    __slots__ = ("errno",)

    def __init__(self, errno: int) -> None:
        super().__init__(errno)
        self.errno = errno


class ThreadEnded(Exception):
    """This guest thread is over; its host thread unwinds.  Raised by `blink.kernel.threads`."""


class Interrupted(Exception):
    """A signal came before a host call began: nothing happened, so the guest's call starts anew.

    Raised by `blink.kernel.host.call`; the main loop puts RIP back on the syscall instruction and
    delivers the signal.
    """
