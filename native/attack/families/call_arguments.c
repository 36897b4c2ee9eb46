// System calls that the filter must refuse for what they are asked: namespaces, families of sockets, requests
// to terminals.
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attack.h"
#include "cleanup.h"

static enum result change_personality(const struct attack *attack) {
    (void)attack;
    static const unsigned long kinds[] = {0x0400000 /* READ_IMPLIES_EXEC */, 0x0100000 /* MMAP_PAGE_ZERO */,
                                          0x0200000 /* ADDR_COMPAT_LAYOUT */, 0x0001 /* another system's */};
    for (size_t index = 0; index < sizeof kinds / sizeof kinds[0]; index++) {
        if (!refused_by_filter(syscall(SYS_personality, kinds[index])))
            return broken("personality %#lx", kinds[index]);
    }
    return held("%s", strerror(errno));
}

// Namespaces by a flag, as unshare and clone take it.
static enum result try_unshare(const struct attack *attack) {
    unsigned long flag = *(const unsigned long *)attack->with;
    if (!refused_by_filter(syscall(SYS_unshare, flag)))
        return broken("unshare: %s", strerror(errno));
    if (flag == 0x80) // CLONE_NEWTIME: for clone these bits are the signal at the end
        return held("unshare: %s", strerror(errno));
    long child = syscall(SYS_clone, flag, 0, 0, 0, 0);
    if (child == 0)
        _exit(0);
    return refused_by_filter(child) ? held("unshare and clone: %s", strerror(errno))
                                    : broken("clone: %s", child > 0 ? "it worked" : strerror(errno));
}

#define UNSHARE(what, flag)                                                                                  \
    {                                                                                                        \
        .name = "namespace-" what, .tries = "make a " what " namespace by unshare and clone",                \
        .must = "is refused by the filter", .places = WITHOUT_NESTING, .run = try_unshare,                   \
        .with = &(const unsigned long) {                                                                     \
            (flag)                                                                                           \
        }                                                                                                    \
    }

static enum result try_family(const struct attack *attack) {
    int family = *(const int *)attack->with;
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET};
    for (size_t index = 0; index < sizeof types / sizeof types[0]; index++) {
        cleanup_fd int fd = socket(family, types[index] | SOCK_CLOEXEC, 0);
        if (fd >= 0)
            return broken("a socket of family %d", family);
        if (errno != EAFNOSUPPORT)
            return broken("family %d: %s", family, strerror(errno));
    }
    return held("family %d: %s", family, strerror(errno));
}

#define SOCKETS(what, number)                                                                                \
    {                                                                                                        \
        .name = "socket-" what, .tries = "open a socket of " what ", whose family's code has had holes",     \
        .must = "is refused before a module is loaded", .places = ANYWHERE, .run = try_family,               \
        .with = &(const int) {                                                                               \
            (number)                                                                                         \
        }                                                                                                    \
    }

#if defined(__x86_64__)
// socketcall(2) of 32-bit programs, which any program can make: the family is behind a pointer, where no
// filter sees it (SECURITY.md). What needs a capability is refused all the same.
static long socket_by_socketcall(const uint32_t *arguments) {
    long result = 102; // __NR_socketcall, with SYS_SOCKET
    // Of the 64-bit registers a kernel may leave these with what it likes (entry of 32-bit calls).
    __asm__ volatile("int $0x80"
                     : "+a"(result)
                     : "b"(1L), "c"((unsigned long)arguments)
                     : "memory", "cc", "r8", "r9", "r10", "r11");
    return (int)result;
}

static enum result try_socketcall(const struct attack *attack) {
    (void)attack;
    static const struct {
        uint32_t family, type, protocol;
    } kinds[] = {{17, SOCK_RAW, 3},  {17, SOCK_DGRAM, 3}, {44, SOCK_RAW, 0}, {15, SOCK_RAW, 2},
                 {2, SOCK_RAW, 255}, {10, SOCK_RAW, 255}, {2, SOCK_RAW, 1}};
    uint32_t *arguments =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (arguments == MAP_FAILED)
        return unattempted("mmap: %s", strerror(errno));
    long made = 0;
    for (size_t index = 0; index < sizeof kinds / sizeof kinds[0]; index++) {
        memcpy(arguments, &kinds[index], sizeof kinds[index]);
        made = socket_by_socketcall(arguments);
        if (made >= 0)
            return broken("a socket of family %u, type %u", kinds[index].family, kinds[index].type);
    }
    return held("%s", strerror((int)-made));
}
#else
static enum result try_socketcall(const struct attack *attack) {
    (void)attack;
    return held("this machine has no such call");
}
#endif

// The kernel looks at 32 bits of the request, so one with others set is the same.
static enum result try_ioctl(const struct attack *attack) {
    unsigned long request = *(const unsigned long *)attack->with;
    static const unsigned long above[] = {0, 0x100000000, 0xffffffff00000000};
    for (size_t index = 0; index < sizeof above / sizeof above[0]; index++) {
        char byte = 'x';
        if (!refused_by_filter(syscall(SYS_ioctl, 0, request | above[index], &byte)))
            return broken("ioctl %#lx: %s", request | above[index], strerror(errno));
    }
    return held("%s", strerror(errno));
}

#define IOCTL(what, which, number)                                                                           \
    {                                                                                                        \
        .name = "ioctl-" what, .tries = which, .must = "is refused, whatever else is set in the request",    \
        .places = ANYWHERE, .run = try_ioctl, .with = &(const unsigned long) {                               \
            (number)                                                                                         \
        }                                                                                                    \
    }

static const struct attack attacks[] = {
    {.name = "personality",
     .tries = "switch off what protects programs' memory",
     .must = "is refused",
     .places = ANYWHERE,
     .run = change_personality},
    UNSHARE("mount", 0x00020000),
    UNSHARE("cgroup", 0x02000000),
    UNSHARE("uts", 0x04000000),
    UNSHARE("ipc", 0x08000000),
    UNSHARE("user", 0x10000000),
    UNSHARE("pid", 0x20000000),
    UNSHARE("network", 0x40000000),
    UNSHARE("time", 0x00000080),
    SOCKETS("AX.25", 3),
    SOCKETS("IPX", 4),
    SOCKETS("AppleTalk", 5),
    SOCKETS("X.25", 9),
    SOCKETS("packet", 17),
    SOCKETS("RDS", 21),
    SOCKETS("CAN", 29),
    SOCKETS("TIPC", 30),
    SOCKETS("Bluetooth", 31),
    SOCKETS("ALG", 38),
    SOCKETS("vsock", 40),
    SOCKETS("KCM", 41),
    SOCKETS("SMC", 43),
    SOCKETS("XDP", 44),
    {.name = "socketcall",
     .tries = "open raw, packet, key and XDP sockets by the call of 32-bit programs",
     .must = "is refused",
     .places = NOT_NESTED,
     .run = try_socketcall},
    IOCTL("TIOCSTI", "push keys into a terminal", 0x5412),
    IOCTL("TIOCLINUX", "push keys into a console", 0x541c),
    IOCTL("TIOCSETD", "load a line discipline", 0x5423),
};

const struct family call_arguments_family = FAMILY(attacks);
