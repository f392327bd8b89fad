"""Ask for something from inside a live process: as root, its main thread is stopped in a system call, made to do another
one, and put back.  So the process's own uid, filter, chroot and descriptors answer, in the programs as they are installed.

    Inside(pid).call("openat", -100, "/etc/shadow", 0)   -> a number, or -errno; KILLED when the filter ended the process
"""
import ctypes
import os
import platform
import signal

ATTACH, DETACH, GETREGS, SETREGS, STEP, SETOPTIONS = 16, 17, 12, 13, 9, 0x4200
EXITKILL = 0x100000
KILLED = "killed"
SUPPORTED = platform.machine() == "x86_64"

# x86-64
NUMBERS = {
    "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "mmap": 9, "mprotect": 10, "ioctl": 16, "dup": 32, "getpid": 39,
    "socket": 41, "connect": 42, "bind": 49, "listen": 50, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59,
    "kill": 62, "rename": 82, "mkdir": 83, "link": 86, "unlink": 87, "symlink": 88, "chmod": 90, "chown": 92, "ptrace": 101,
    "setuid": 105, "setgid": 106, "setreuid": 113, "setgroups": 116, "setresuid": 117, "capset": 126, "mknod": 133, "personality": 135,
    "prctl": 157, "setrlimit": 160, "chroot": 161, "mount": 165, "umount2": 166, "reboot": 169, "init_module": 175, "tkill": 200,
    "tgkill": 234, "add_key": 248, "keyctl": 250, "openat": 257, "unshare": 272, "splice": 275, "perf_event_open": 298,
    "prlimit64": 302, "name_to_handle_at": 303, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
    "process_vm_writev": 311, "memfd_create": 319, "bpf": 321, "execveat": 322, "userfaultfd": 323, "io_uring_setup": 425,
    "pidfd_open": 434, "clone3": 435, "openat2": 437, "pidfd_getfd": 438, "mount_setattr": 442, "landlock_restrict_self": 446,
}


class Regs(ctypes.Structure):
    _fields_ = [(n, ctypes.c_ulonglong) for n in (
        "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs").split()]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(what, pid, data=None):
    if libc.ptrace(what, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {what} of {pid}")


class Inside:
    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        ptrace(ATTACH, self.pid)
        os.waitpid(self.pid, 0)
        self.before = Regs()
        ptrace(GETREGS, self.pid, ctypes.byref(self.before))
        # It waits in poll or epoll_wait: right before rip lies the instruction that asks the kernel.
        self.mem = os.open(f"/proc/{self.pid}/mem", os.O_RDWR)
        assert os.pread(self.mem, 2, self.before.rip - 2) == b"\x0f\x05", "it is not in a system call"
        self.alive = True
        return self

    def __exit__(self, *exc):
        os.close(self.mem)
        if not self.alive:
            return
        ptrace(SETREGS, self.pid, ctypes.byref(self.before))
        ptrace(DETACH, self.pid)

    def place(self, at, data):
        os.pwrite(self.mem, data, at)
        return at

    def call(self, name, *args):
        """Strings and bytes are put below its stack and passed as their address."""
        regs, values, at = Regs.from_buffer_copy(self.before), [], self.before.rsp - 32768
        for a in args:
            if isinstance(a, (str, bytes)):
                data = a.encode() + b"\0" if isinstance(a, str) else a
                values.append(self.place(at, data))
                at += (len(data) + 64) & ~15
            else:
                values.append(a & (2**64 - 1))
        values += [0] * (6 - len(values))
        regs.rip -= 2
        regs.rax, regs.orig_rax = NUMBERS[name], 2**64 - 1
        regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9 = values
        ptrace(SETREGS, self.pid, ctypes.byref(regs))
        ptrace(STEP, self.pid)
        _, status = os.waitpid(self.pid, 0)
        if os.WIFSIGNALED(status):
            self.alive = False
            assert os.WTERMSIG(status) == signal.SIGSYS, f"{name}: died of signal {os.WTERMSIG(status)}"
            return KILLED
        ptrace(GETREGS, self.pid, ctypes.byref(regs))
        return ctypes.c_long(regs.rax).value


def memory(pid, most=512 << 20):
    """All that it has mapped and may read, piece by piece: (name of the mapping, bytes)."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            parts = line.split(None, 5)
            start, end = (int(x, 16) for x in parts[0].split("-"))
            name = parts[5].strip() if len(parts) > 5 else ""
            if "r" not in parts[1] or name in ("[vvar]", "[vsyscall]", "[vvar_vclock]") or end - start > most:
                continue
            try:
                mem.seek(start)
                yield name, mem.read(end - start)
            except OSError:
                continue


def holds(pid, needle):
    """The mappings of a process in which these bytes lie."""
    return [name or "anonymous" for name, data in memory(pid) if needle in data]
