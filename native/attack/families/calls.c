// System calls that the filter must refuse, by their numbers, as every kind of program that the machine runs.
// What arrives at the kernel all the same is given arguments with which it does nothing.
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attack.h"

#define NONE (-1)

// By asm/unistd.h of each kind of program; NONE: it has no such call. arm64's 32-bit programs would need
// another compiler.
struct call {
    int x86_64, i386, aarch64;
};

#ifdef __x86_64__
#define X32_BIT 0x40000000

// As a 32-bit program calls, which any process may.
static long call_i386(long number) {
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0)
                     : "memory", "r8", "r9", "r10", "r11");
    int code = (int)result;
    if (code < 0 && code > -4096) {
        errno = -code;
        return -1;
    }
    return code;
}
#endif

static enum result try_call(const struct attack *attack) {
    const struct call *call = attack->with;
    int tried = 0;
#ifdef __x86_64__
    const struct {
        const char *name;
        int number;
    } kinds[] = {{"x86-64", call->x86_64},
                 {"x32", call->x86_64 == NONE ? NONE : (call->x86_64 | X32_BIT)},
                 {"i386", call->i386}};
#else
    const struct {
        const char *name;
        int number;
    } kinds[] = {{"aarch64", call->aarch64}};
#endif
    for (size_t index = 0; index < sizeof kinds / sizeof kinds[0]; index++) {
        int number = kinds[index].number;
        if (number == NONE)
            continue;
        errno = 0;
#ifdef __x86_64__
        long result = index == 2 ? call_i386(number) : syscall(number, 0, 0, 0, 0, 0, 0);
#else
        long result = syscall(number, 0, 0, 0, 0, 0, 0);
#endif
        if (!refused_by_filter(result))
            return broken("as a program of %s: %s", kinds[index].name,
                          result < 0 ? strerror(errno) : "it worked");
        tried++;
    }
    // Where no kind of program has it, the filter has nothing to refuse.
    return held("refused as %d kinds of programs", tried);
}

#define CALL(named, one, two, three, what, where)                                                            \
    {                                                                                                        \
        .name = "call-" #named, .tries = "call " #named ", which " what,                                     \
        .must = "is refused before the kernel looks at it", .places = (where), .run = try_call,              \
        .with = &(const struct call) {                                                                       \
            (one), (two), (three)                                                                            \
        }                                                                                                    \
    }

// Calls that no kernel has yet; when one has, they are to be refused still.
static enum result calls_to_come(const struct attack *attack) {
    (void)attack;
    for (int number = 480; number < 1024; number++) {
        if (number >= 512 && number <= 547) // those of x32 programs alone
            continue;
        if (!refused_by_filter(syscall(number, 0, 0, 0, 0, 0, 0)))
            return broken("call %d: %s", number, strerror(errno));
#ifdef __x86_64__
        if (!refused_by_filter(call_i386(number)))
            return broken("call %d of i386: %s", number, strerror(errno));
#endif
    }
    return held("%s", strerror(errno));
}

#ifdef __x86_64__
// Programs of a third kind, whose calls have numbers of their own: getpid, write, clone, unshare, execve.
static enum result calls_of_x32(const struct attack *attack) {
    static const int numbers[] = {39, 1, 56, 272, 520, 545};
    (void)attack;
    for (size_t index = 0; index < sizeof numbers / sizeof numbers[0]; index++) {
        if (!refused_by_filter(syscall(numbers[index] | X32_BIT, 0, 0, 0, 0, 0, 0)))
            return broken("call %d: it worked", numbers[index]);
    }
    return held("%s", strerror(errno));
}
#endif

static const struct attack attacks[] = {
    CALL(acct, 163, 51, 89, "makes the kernel keep accounts", ANYWHERE),
    CALL(bpf, 321, 357, 280, "loads programs into the kernel", ANYWHERE),
    CALL(clock_adjtime, 305, 343, 266, "changes the machine's clock", ANYWHERE),
    CALL(clock_settime, 227, 264, 112, "sets the machine's clock", ANYWHERE),
    CALL(create_module, 174, 127, NONE, "makes a module", ANYWHERE),
    CALL(delete_module, 176, 129, 106, "takes a module away", ANYWHERE),
    CALL(finit_module, 313, 350, 273, "loads a module", ANYWHERE),
    CALL(init_module, 175, 128, 105, "loads a module", ANYWHERE),
    CALL(ioperm, 173, 101, NONE, "opens ports of the machine", ANYWHERE),
    CALL(iopl, 172, 110, NONE, "opens ports of the machine", ANYWHERE),
    CALL(kexec_file_load, 320, NONE, 294, "starts another kernel", ANYWHERE),
    CALL(kexec_load, 246, 283, 104, "starts another kernel", ANYWHERE),
    CALL(lookup_dcookie, 212, 253, 18, "tells paths to profilers", ANYWHERE),
    CALL(nfsservctl, 180, 169, 42, "was the NFS server's", ANYWHERE),
    CALL(open_by_handle_at, 304, 342, 265, "opens files past every folder", ANYWHERE),
    CALL(perf_event_open, 298, 336, 241, "watches the kernel and others", ANYWHERE),
    CALL(query_module, 178, 167, NONE, "lists modules", ANYWHERE),
    CALL(quotactl, 179, 131, 60, "changes quotas", ANYWHERE),
    CALL(quotactl_fd, 443, 443, 443, "changes quotas", ANYWHERE),
    CALL(reboot, 169, 88, 142, "ends the machine", ANYWHERE),
    CALL(settimeofday, 164, 79, 170, "sets the machine's clock", ANYWHERE),
    CALL(stime, NONE, 25, NONE, "sets the machine's clock", ANYWHERE),
    CALL(swapoff, 168, 115, 225, "takes the machine's swap", ANYWHERE),
    CALL(swapon, 167, 87, 224, "gives the machine swap", ANYWHERE),
    CALL(syslog, 103, 103, 116, "reads the kernel's log", ANYWHERE),
    CALL(sysfs, 139, 135, NONE, "lists file systems", ANYWHERE),
    CALL(uselib, 134, 86, NONE, "maps libraries as old programs did", ANYWHERE),
    CALL(ustat, 136, 62, NONE, "tells of file systems by device", ANYWHERE),
    CALL(vhangup, 153, 111, 58, "hangs a terminal up", ANYWHERE),
    CALL(vm86, NONE, 166, NONE, "runs code of 16 bits", ANYWHERE),
    CALL(vm86old, NONE, 113, NONE, "runs code of 16 bits", ANYWHERE),
    CALL(sysctl, 156, 149, NONE, "sets the kernel's settings", ANYWHERE),
    CALL(add_key, 248, 286, 217, "adds to a keyring", ANYWHERE),
    CALL(keyctl, 250, 288, 219, "reads keyrings", ANYWHERE),
    CALL(request_key, 249, 287, 218, "makes root's program answer", ANYWHERE),
    CALL(userfaultfd, 323, 374, 282, "stops the kernel where the caller likes", ANYWHERE),
    CALL(io_uring_setup, 425, 425, 425, "makes calls past the filter", ANYWHERE),
    CALL(io_uring_enter, 426, 426, 426, "makes calls past the filter", ANYWHERE),
    CALL(io_uring_register, 427, 427, 427, "makes calls past the filter", ANYWHERE),
    CALL(clone3, 435, 435, 435, "hides its flags from the filter", ANYWHERE),
    CALL(process_madvise, 440, 440, 440, "reaches into other processes", ANYWHERE),
    CALL(mbind, 237, 274, 235, "places memory", ANYWHERE),
    CALL(move_pages, 279, 317, 239, "places memory of other processes", ANYWHERE),
    CALL(migrate_pages, 256, 294, 238, "places memory of other processes", ANYWHERE),
    CALL(set_mempolicy_home_node, 450, 450, 450, "places memory", ANYWHERE),
    CALL(open_tree_attr, 467, 467, 467, "is newer than the filter", ANYWHERE),
    CALL(kcmp, 312, 349, 272, "compares what processes have", WITHOUT_NESTING),
    CALL(pidfd_getfd, 438, 438, 438, "takes descriptors from processes", WITHOUT_NESTING),
    CALL(sethostname, 170, 74, 161, "names the machine", WITHOUT_NESTING),
    CALL(setdomainname, 171, 121, 162, "names the machine", WITHOUT_NESTING),
    CALL(mount, 165, 21, 40, "mounts", WITHOUT_NESTING),
    CALL(umount, NONE, 22, NONE, "unmounts", WITHOUT_NESTING),
    CALL(umount2, 166, 52, 39, "unmounts", WITHOUT_NESTING),
    CALL(pivot_root, 155, 217, 41, "changes the root", WITHOUT_NESTING),
    CALL(chroot, 161, 61, 51, "changes the root", WITHOUT_NESTING),
    CALL(fsopen, 430, 430, 430, "mounts", WITHOUT_NESTING),
    CALL(fsconfig, 431, 431, 431, "mounts", WITHOUT_NESTING),
    CALL(fsmount, 432, 432, 432, "mounts", WITHOUT_NESTING),
    CALL(fspick, 433, 433, 433, "changes a mount", WITHOUT_NESTING),
    CALL(move_mount, 429, 429, 429, "moves a mount", WITHOUT_NESTING),
    CALL(open_tree, 428, 428, 428, "copies mounts", WITHOUT_NESTING),
    CALL(mount_setattr, 442, 442, 442, "changes a mount", WITHOUT_NESTING),
    CALL(setns, 308, 346, 268, "enters namespaces", WITHOUT_NESTING),
    {.name = "calls-to-come",
     .tries = "make calls that are newer than the filter",
     .must = "is refused",
     .places = ANYWHERE,
     .run = calls_to_come},
#ifdef __x86_64__
    {.name = "calls-x32",
     .tries = "make calls as an x32 program",
     .must = "is refused, whatever the call",
     .places = ANYWHERE,
     .run = calls_of_x32},
#endif
};

const struct family calls_family = FAMILY(attacks);
