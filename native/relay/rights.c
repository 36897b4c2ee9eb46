#include "rights.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "dns/servers.h"
#include "sys.h"

// ---- Landlock ----------------------------------------------------------------------------------------

// linux/landlock.h of a kernel that has all of it; headers may be older.
enum landlock {
    RULE_PATH_BENEATH = 1,
    RULE_PORT = 2,
    GET_VERSION = 1,
    READ_FILE = 1 << 2,
    FILES_OF_1 = (1 << 13) - 1,
    REFER_OF_2 = 1 << 13,
    TRUNCATE_OF_3 = 1 << 14,
    CONNECT_OF_4 = 1 << 1,
    NETWORK_OF_4 = 3,
    DEVICES_OF_5 = 1 << 15,
    SCOPES_OF_6 = 3, // abstract sockets and signals
};

struct ruleset {
    uint64_t files, network, scopes;
};

struct beneath {
    uint64_t allowed;
    int32_t folder;
} __attribute__((packed));

struct port {
    uint64_t allowed, number;
};

static int allow_folder(int rules, const char *path, struct err *err) {
    cleanup_fd int folder = open(path, O_PATH | O_CLOEXEC);
    struct beneath beneath = {.allowed = READ_FILE, .folder = folder};
    if (folder < 0)
        return errno == ENOENT ? 0 : err_sys(err, "open", path);
    if (syscall(SYS_landlock_add_rule, rules, RULE_PATH_BENEATH, &beneath, 0) != 0)
        return err_sys(err, "allow a folder (Landlock)", path);
    return 0;
}

// The folders and not the files, because a file that is replaced is another one.
static int allow_files(int rules, const char *resolv_conf, struct err *err) {
    char path[PATH_MAX];
    if (allow_folder(rules, "/etc", err) != 0 || allow_folder(rules, "/run", err) != 0)
        return -1;
    if (realpath(resolv_conf, path) == NULL)
        return 0;
    *strrchr(path, '/') = '\0';
    return allow_folder(rules, path[0] == '\0' ? "/" : path, err);
}

static int restrict_files(const char *resolv_conf, struct err *err) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);
    if (version < 1) // none (ENOSYS, EOPNOTSUPP): the ids and the filter stand alone
        return 0;
    struct ruleset set = {.files = FILES_OF_1};
    size_t size = sizeof set.files;
    set.files |= (version >= 2 ? REFER_OF_2 : 0) | (version >= 3 ? TRUNCATE_OF_3 : 0) |
                 (version >= 5 ? DEVICES_OF_5 : 0);
    if (version >= 4) {
        set.network = NETWORK_OF_4;
        size = offsetof(struct ruleset, scopes);
    }
    if (version >= 6) {
        set.scopes = SCOPES_OF_6;
        size = sizeof set;
    }
    cleanup_fd int rules = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    if (rules < 0)
        return err_sys(err, "make rules (Landlock)", NULL);
    struct port port = {.allowed = CONNECT_OF_4, .number = DNS_PORT};
    if (version >= 4 && syscall(SYS_landlock_add_rule, rules, RULE_PORT, &port, 0) != 0)
        return err_sys(err, "allow a port (Landlock)", NULL);
    if (allow_files(rules, resolv_conf, err) != 0)
        return -1;
    if (syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        return err_sys(err, "restrict (Landlock)", NULL);
    return 0;
}

// ---- system calls ------------------------------------------------------------------------------------

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif
#define LAST_CALL 1024 // x32's numbers lie far above

#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define ALLOW(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), RETURN(SECCOMP_RET_ALLOW)
#define ARGUMENT(index) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[index]))
#define IS(value, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (otherwise))
#define REFUSE RETURN(SECCOMP_RET_ERRNO | EPERM)

static const struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0),
    RETURN(SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, LAST_CALL, 0, 1),
    RETURN(SECCOMP_RET_KILL_PROCESS),
#ifdef SYS_epoll_wait
    ALLOW(epoll_wait),
#endif
    ALLOW(epoll_pwait),
    ALLOW(epoll_ctl),
    ALLOW(recvfrom),
    ALLOW(recvmsg),
    ALLOW(sendto),
    ALLOW(sendmsg),
    ALLOW(connect),
    ALLOW(accept4),
    ALLOW(close),
    ALLOW(read),
    ALLOW(clock_gettime),
    ALLOW(getrandom),
    ALLOW(fcntl),
    ALLOW(inotify_add_watch),
    ALLOW(inotify_rm_watch),
#ifdef SYS_readlink
    ALLOW(readlink),
#endif
    ALLOW(readlinkat),
    ALLOW(brk),
    ALLOW(mmap),
    ALLOW(munmap),
    ALLOW(mremap),
    ALLOW(mprotect),
    ALLOW(madvise),
    ALLOW(exit_group),
    ALLOW(rt_sigreturn),
    ALLOW(restart_syscall),
// Files to read.
#ifdef SYS_open
    IS(SYS_open, 5),
    ARGUMENT(1),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, O_ACCMODE | O_CREAT | O_TRUNC),
    IS(O_RDONLY, 1),
    RETURN(SECCOMP_RET_ALLOW),
    REFUSE,
#endif
    IS(SYS_openat, 5),
    ARGUMENT(2),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, O_ACCMODE | O_CREAT | O_TRUNC),
    IS(O_RDONLY, 1),
    RETURN(SECCOMP_RET_ALLOW),
    REFUSE,
    // Sockets of the Internet's.
    IS(SYS_socket, 5),
    ARGUMENT(0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0),
    IS(AF_INET6, 1),
    RETURN(SECCOMP_RET_ALLOW),
    REFUSE,
    IS(SYS_ioctl, 4),
    ARGUMENT(1),
    IS(SIOCGIFINDEX, 1),
    RETURN(SECCOMP_RET_ALLOW),
    REFUSE,
    REFUSE,
};

static int restrict_calls(struct err *err) {
    const struct sock_fprog program = {.len = sizeof filter / sizeof filter[0],
                                       .filter = (struct sock_filter *)(uintptr_t)filter};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        return err_sys(err, "install a system call filter", NULL);
    return 0;
}

// ---- rights ------------------------------------------------------------------------------------------

// As many descriptors as there may be, and nothing on the disk.
static int limit_resources(struct err *err) {
    struct rlimit descriptors = {.rlim_cur = 524288, .rlim_max = 524288};
    const struct rlimit none = {0};
    if (setrlimit(RLIMIT_NOFILE, &descriptors) != 0 && getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
        descriptors.rlim_cur = descriptors.rlim_max; // the host's own bound is lower
        (void)setrlimit(RLIMIT_NOFILE, &descriptors);
    }
    if (setrlimit(RLIMIT_CORE, &none) != 0 || setrlimit(RLIMIT_FSIZE, &none) != 0)
        return err_sys(err, "setrlimit", NULL);
    return 0;
}

// The groups first, which takes a capability; the user last, with whom all capabilities go (capabilities(7)).
// Then what a program could give back (no_new_privs), and who could reach in (dumpable, which setresuid() has
// cleared, too).
static int drop_ids(struct err *err) {
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            return err_sys(err, "drop a capability from the bounding set", NULL);
    }
    if (setgroups(0, NULL) != 0 || setresgid(RELAY_ID, RELAY_ID, RELAY_ID) != 0 ||
        setresuid(RELAY_ID, RELAY_ID, RELAY_ID) != 0)
        return err_sys(err, "give up root's ids", NULL);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_sys(err, "set no_new_privs", NULL);
    return 0;
}

int rights_drop(const char *resolv_conf, struct err *err) {
    if (limit_resources(err) != 0 || drop_ids(err) != 0 || restrict_files(resolv_conf, err) != 0)
        return -1;
    return restrict_calls(err);
}
