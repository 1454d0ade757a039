"""A guard below Python: the kernel ends a process that connects or sends to another machine."""

import ctypes
import errno
import platform
import struct

_SOCKET = {"x86_64": 41, "aarch64": 198}
# connect, sendto, sendmsg, sendmmsg: without them neither a connection nor a look-up is possible.
_SEND = {"x86_64": (42, 44, 46, 307), "aarch64": (203, 206, 211, 269)}
_AF_INET, _AF_INET6 = 2, 10
_NUMBER_OFFSET, _FAMILY_OFFSET = 0, 16
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _KILL_PROCESS, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_PR_SET_NO_NEW_PRIVILEGES, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def end_process_on_connection() -> None:
    """End this process, all its threads included, with SIGSYS at its first such call.

    Sockets inside this machine (nscd, uuidd) cannot be opened; their users do without them.
    """
    machine = platform.machine()
    kill, allow = 11, 10  # indices of instructions; jumps are relative to the next of them
    instructions = [
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        *((_JUMP_IF_EQUAL, kill - i, 0, number) for i, number in enumerate(_SEND[machine], 2)),
        (_JUMP_IF_EQUAL, 0, allow - 6, _SOCKET[machine]),
        (_LOAD, 0, 0, _FAMILY_OFFSET),
        (_JUMP_IF_EQUAL, allow - 8, 0, _AF_INET),
        (_JUMP_IF_EQUAL, allow - 9, 0, _AF_INET6),
        (_RETURN, 0, 0, _FAIL | errno.EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _KILL_PROCESS),
    ]
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    program = _Program(len(instructions), code)
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (_PR_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0),
    ):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), "prctl")
