// System calls that the C library here has no wrapper for, with the few constants they need. The
// structures are the kernel's ABI (linux/mount.h, linux/sched.h); they are spelled out because the
// kernel's and the C library's headers cannot be included together.
#pragma once

#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYS_OPEN_TREE_CLONE 1u
#define SYS_AT_RECURSIVE 0x8000u
#define SYS_MOVE_MOUNT_F_EMPTY_PATH 0x00000004u
#define SYS_MOVE_MOUNT_T_EMPTY_PATH 0x00000040u
#define SYS_MOVE_MOUNT_BENEATH 0x00000200u
#define SYS_MOUNT_ATTR_RDONLY 0x00000001u
#define SYS_MOUNT_ATTR_NOSUID 0x00000002u
#define SYS_MOUNT_ATTR_NODEV 0x00000004u
#define SYS_MOUNT_ATTR_NOEXEC 0x00000008u
#define SYS_MOUNT_ATTR_IDMAP 0x00100000u
#define SYS_CLOSE_RANGE_CLOEXEC 4u
#define SYS_FSOPEN_CLOEXEC 1u
#define SYS_FSMOUNT_CLOEXEC 1u
#define SYS_FSPICK_CLOEXEC 1u
#define SYS_FSPICK_EMPTY_PATH 8u
#define SYS_FSCONFIG_SET_FLAG 0u
#define SYS_FSCONFIG_SET_STRING 1u
#define SYS_FSCONFIG_CMD_CREATE 6u
#define SYS_FSCONFIG_CMD_RECONFIGURE 7u
#define SYS_CLONE_INTO_CGROUP 0x200000000ull
#define SYS_CLONE_NEWTIME 0x00000080

struct sys_mount_attr {
    uint64_t attr_set;
    uint64_t attr_clr;
    uint64_t propagation;
    uint64_t userns_fd;
};

struct sys_clone_args {
    uint64_t flags;
    uint64_t pidfd;
    uint64_t child_tid;
    uint64_t parent_tid;
    uint64_t exit_signal;
    uint64_t stack;
    uint64_t stack_size;
    uint64_t tls;
    uint64_t set_tid;
    uint64_t set_tid_size;
    uint64_t cgroup;
};

static inline int sys_open_tree(int dirfd, const char *path, unsigned flags) {
    return (int)syscall(SYS_open_tree, dirfd, path, flags);
}

static inline int sys_move_mount(int from, const char *from_path, int to, const char *to_path,
                                 unsigned flags) {
    return (int)syscall(SYS_move_mount, from, from_path, to, to_path, flags);
}

static inline int sys_fsopen(const char *type, unsigned flags) {
    return (int)syscall(SYS_fsopen, type, flags);
}

static inline int sys_fspick(int dirfd, const char *path, unsigned flags) {
    return (int)syscall(SYS_fspick, dirfd, path, flags);
}

static inline int sys_fsconfig(int fs, unsigned command, const char *key, const char *value) {
    return (int)syscall(SYS_fsconfig, fs, command, key, value, 0);
}

static inline int sys_fsmount(int fs, unsigned flags, unsigned attributes) {
    return (int)syscall(SYS_fsmount, fs, flags, attributes);
}

static inline int sys_mount_setattr(int dirfd, const char *path, unsigned flags,
                                    struct sys_mount_attr *attr) {
    return (int)syscall(SYS_mount_setattr, dirfd, path, flags, attr, sizeof *attr);
}

static inline int sys_close_range(unsigned first, unsigned last, unsigned flags) {
    return (int)syscall(SYS_close_range, first, last, flags);
}

static inline uint64_t sys_microseconds(struct timeval time) {
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

// The library's waitid(2) does not pass on what the kernel says of the process's use.
static inline int sys_waitid(pid_t pid, siginfo_t *info, int options, struct rusage *use) {
    return (int)syscall(SYS_waitid, P_PID, pid, info, options, use);
}

static inline int sys_pidfd_open(pid_t pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0u);
}

static inline pid_t sys_clone3(struct sys_clone_args *args) {
    return (pid_t)syscall(SYS_clone3, args, sizeof *args);
}

static inline int sys_pivot_root(const char *new_root, const char *put_old) {
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

static inline int sys_execveat(int dirfd, const char *path, char *const argv[], char *const envp[],
                               int flags) {
    return (int)syscall(SYS_execveat, dirfd, path, argv, envp, flags);
}
