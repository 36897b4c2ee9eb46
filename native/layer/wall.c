#include "wall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

// linux/landlock.h of a kernel that has all of it; headers may be older.
enum landlock {
    RULE_PATH_BENEATH = 1,
    GET_VERSION = 1,
    READ_FILE = 1 << 2,
    READ_FOLDER = 1 << 3,
    EXECUTE = 1 << 0,
    MAKE_BLOCK_DEVICE = 1 << 11,
    FILES_OF_2 = (1 << 14) - 1, // with REFER: without it nothing could be linked or moved between folders
    TRUNCATE_OF_3 = 1 << 14,
    DEVICES_OF_5 = 1 << 15,
    NETWORK_OF_4 = 3,
    SCOPES_OF_6 = 3, // abstract sockets and signals
};

struct ruleset {
    uint64_t files, network, scopes;
};

struct beneath {
    uint64_t allowed;
    int32_t folder;
} __attribute__((packed));

static int allow(int rules, const struct wall_folder *folder, uint64_t files, struct err *err) {
    cleanup_fd int opened = open(folder->path, O_PATH | O_CLOEXEC);
    if (opened < 0)
        return err_sys(err, "open", folder->path);
    struct beneath beneath = {.folder = opened};
    const uint64_t never = EXECUTE | DEVICES_OF_5 | MAKE_BLOCK_DEVICE;
    beneath.allowed = folder->writable ? files & ~never : READ_FILE | READ_FOLDER;
    if (syscall(SYS_landlock_add_rule, rules, RULE_PATH_BENEATH, &beneath, 0) != 0)
        return err_sys(err, "allow a folder (Landlock)", folder->path);
    return 0;
}

static int restrict_files(const struct wall_folder *folders, size_t count, struct err *err) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);
    if (version < 2) // none (ENOSYS, EOPNOTSUPP), or one that allows no links between folders
        return 0;
    struct ruleset set = {.files = FILES_OF_2};
    size_t size = sizeof set.files; // a kernel refuses what it does not know, were it zero or not
    if (version >= 3)
        set.files |= TRUNCATE_OF_3;
    if (version >= 4) {
        set.network = NETWORK_OF_4;
        size = offsetof(struct ruleset, scopes);
    }
    if (version >= 5)
        set.files |= DEVICES_OF_5;
    if (version >= 6) {
        set.scopes = SCOPES_OF_6;
        size = sizeof set;
    }
    cleanup_fd int rules = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    if (rules < 0)
        return err_sys(err, "make rules (Landlock)", NULL);
    for (size_t index = 0; index < count; index++)
        if (allow(rules, &folders[index], set.files, err) != 0)
            return -1;
    if (syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        return err_sys(err, "restrict (Landlock)", NULL);
    return 0;
}

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif
#define LAST_CALL 1024 // x32's numbers lie far above

#define DENY(call)                                                                                           \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1),                                                   \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

// A device may only be a whiteout: 0, 0. The number is the call's third argument or its fourth.
#define DENY_DEVICES(call, argument)                                                                         \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 4),                                                   \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[argument])),                   \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),  \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int install(const struct sock_filter *filter, size_t length, struct err *err) {
    const struct sock_fprog program = {.len = (unsigned short)length,
                                       .filter = (struct sock_filter *)(uintptr_t)filter};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        return err_sys(err, "install a system call filter", NULL);
    return 0;
}

// Before the other filter, which sees to it that numbers are those of this machine.
static int restrict_devices(struct err *err) {
    static const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_mknod
        DENY_DEVICES(mknod, 2),
#endif
        DENY_DEVICES(mknodat, 3),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return install(filter, sizeof filter / sizeof filter[0], err);
}

// What no job needs after it has begun. Landlock says nothing of sockets with a path, and of tracing by root.
static int restrict_calls(struct err *err) {
    static const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, LAST_CALL, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        DENY(execve),
        DENY(execveat),
        DENY(socket),
        DENY(connect),
        DENY(bind),
        DENY(kill),
        DENY(tkill),
        DENY(tgkill),
        DENY(pidfd_send_signal),
        DENY(rt_sigqueueinfo),
        DENY(rt_tgsigqueueinfo),
        DENY(ptrace),
        DENY(process_vm_readv),
        DENY(process_vm_writev),
        DENY(pidfd_getfd),
        DENY(kcmp),
        DENY(pivot_root),
        DENY(chroot),
        DENY(fspick),
        DENY(quotactl),
        DENY(swapon),
        DENY(swapoff),
        DENY(bpf),
        DENY(perf_event_open),
        DENY(userfaultfd),
        DENY(io_uring_setup),
        DENY(init_module),
        DENY(finit_module),
        DENY(delete_module),
        DENY(kexec_load),
        DENY(add_key),
        DENY(keyctl),
        DENY(request_key),
        DENY(fanotify_init),
        DENY(syslog),
        DENY(reboot),
        DENY(sethostname),
        DENY(setdomainname),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return install(filter, sizeof filter / sizeof filter[0], err);
}

// Landlock says nothing of them for who keeps CAP_SYS_ADMIN.
static int restrict_mounts(struct err *err) {
    static const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        DENY(mount),
        DENY(umount2),
        DENY(unshare),
        DENY(setns),
        DENY(open_tree),
        DENY(move_mount),
        DENY(fsopen),
        DENY(fsmount),
        DENY(mount_setattr),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return install(filter, sizeof filter / sizeof filter[0], err);
}

static int restrict_handles(struct err *err) {
    static const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        DENY(open_by_handle_at),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return install(filter, sizeof filter / sizeof filter[0], err);
}

int wall_calls(unsigned exceptions, struct err *err) {
    if ((exceptions & WALL_DEVICES) == 0 && restrict_devices(err) != 0)
        return -1;
    if ((exceptions & WALL_HANDLES) == 0 && restrict_handles(err) != 0)
        return -1;
    if ((exceptions & WALL_MOUNTS) == 0 && restrict_mounts(err) != 0)
        return -1;
    return restrict_calls(err);
}

int wall_build(const struct wall_folder *folders, size_t count, struct err *err) {
    return restrict_files(folders, count, err) != 0 ? -1 : wall_calls(0, err);
}
