// Leaves out one defence of the supervisor, for tests alone: `make WITHOUT=…` includes this before everything
// else, so that test/attacks/bites.test.ts can see an attack succeed. The programs themselves know nothing of
// it.
#pragma once

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys.h"

#define NOTHING(...) 0

// lockdown.c
#ifdef WITHOUT_seccomp
#define syscall(number, ...) ((number) == SYS_seccomp ? 0 : (syscall)(number, __VA_ARGS__))
#endif
#ifdef WITHOUT_no_new_privs
#define LEFT_OUT_OPTION PR_SET_NO_NEW_PRIVS
#endif
#ifdef WITHOUT_capabilities
#define LEFT_OUT_OPTION PR_CAPBSET_DROP
#endif
#ifdef WITHOUT_dumpable
#define LEFT_OUT_OPTION PR_SET_DUMPABLE
#endif
#ifdef LEFT_OUT_OPTION
#define prctl(option, ...) ((option) == LEFT_OUT_OPTION ? 0 : (prctl)(option, __VA_ARGS__))
#endif

// Flags of mounts.
#ifdef WITHOUT_nosuid
#undef MS_NOSUID
#define MS_NOSUID 0
#undef SYS_MOUNT_ATTR_NOSUID
#define SYS_MOUNT_ATTR_NOSUID 0u
#endif
#ifdef WITHOUT_nodev
#undef MS_NODEV
#define MS_NODEV 0
#undef SYS_MOUNT_ATTR_NODEV
#define SYS_MOUNT_ATTR_NODEV 0u
#endif
#ifdef WITHOUT_read_only
#undef MS_RDONLY
#define MS_RDONLY 0
#undef SYS_MOUNT_ATTR_RDONLY
#define SYS_MOUNT_ATTR_RDONLY 0u
#endif
// The host's folders themselves then, with their locks and watches (host_folders.c).
#ifdef WITHOUT_host_folders
#define sys_fsmount(name, ...) FSMOUNT_##name(name, __VA_ARGS__)
#define FSMOUNT_fs(...) (sys_fsmount)(__VA_ARGS__)
#define FSMOUNT_context(...)                                                                                 \
    sys_open_tree(AT_FDCWD, bind->source, SYS_OPEN_TREE_CLONE | SYS_AT_RECURSIVE | O_CLOEXEC)
#endif
// As if the machine had none of the files that are covered (masks.c).
#ifdef WITHOUT_masks
#define fstatat(...) (errno = ENOENT, -1)
#endif
// What of /proc/sys belongs to the sandbox's own namespaces can be written to by its root (masks.c).
#ifdef WITHOUT_settings
#define sys_mount_setattr(tree, path, flags, attr)                                                           \
    ((attr)->attr_set == SYS_MOUNT_ATTR_RDONLY ? 0 : (sys_mount_setattr)(tree, path, flags, attr))
#endif
// Layers then have the ids of the disk, which are nobody's inside.
#ifdef WITHOUT_idmap
#undef SYS_MOUNT_ATTR_IDMAP
#define SYS_MOUNT_ATTR_IDMAP 0u
#endif

// Namespaces. What only their owner may do is left out with them, or there would be no sandbox to attack.
#ifdef WITHOUT_network_namespace
#define LEFT_OUT_NAMESPACE CLONE_NEWNET
#define LEFT_OUT_MOUNT "sysfs"
#define ioctl(fd, request, ...)                                                                              \
    ((request) == SIOCSIFFLAGS ? 0 : (ioctl)(fd, request __VA_OPT__(, ) __VA_ARGS__))
#endif
#ifdef WITHOUT_uts_namespace
#define LEFT_OUT_NAMESPACE CLONE_NEWUTS
#define sethostname NOTHING
#endif
#ifdef WITHOUT_ipc_namespace
#define LEFT_OUT_NAMESPACE CLONE_NEWIPC
#define LEFT_OUT_MOUNT "mqueue"
#endif
#ifdef WITHOUT_cgroup_namespace
#define LEFT_OUT_NAMESPACE CLONE_NEWCGROUP
#endif
// Its own processes are then seen in the host's proc.
#ifdef WITHOUT_pid_namespace
#define LEFT_OUT_NAMESPACE CLONE_NEWPID
#define syscall(number, first, ...)                                                                          \
    (syscall)(number, (number) == SYS_clone ? (long)(first) & ~CLONE_NEWPID                                  \
                                            : (long)(first)__VA_OPT__(, ) __VA_ARGS__)
static inline int without_mount(const char *source, const char *target, const char *type, unsigned long flags,
                                const void *data) {
    if (type != NULL && strcmp(type, "proc") == 0)
        return mount("/proc", target, NULL, MS_BIND | MS_REC, NULL);
    return mount(source, target, type, flags, data);
}
#define mount without_mount
#endif
#ifdef LEFT_OUT_NAMESPACE
#define unshare(flags) (unshare)((flags) & ~LEFT_OUT_NAMESPACE)
#define setns(fd, flags) (setns)(fd, (flags) & ~LEFT_OUT_NAMESPACE)
#endif
#ifdef LEFT_OUT_MOUNT
static inline int without_mount(const char *source, const char *target, const char *type, unsigned long flags,
                                const void *data) {
    return type != NULL && strcmp(type, LEFT_OUT_MOUNT) == 0 ? 0 : mount(source, target, type, flags, data);
}
#define mount without_mount
#endif

// The host's root gets an id inside, and so what it owns.
#ifdef WITHOUT_ids
static inline ssize_t without_write(int fd, const void *bytes, size_t size) {
    unsigned inside, outside, count;
    char map[16384];
    if (size < sizeof map / 2 && memchr(bytes, 0, size) == NULL &&
        sscanf(bytes, "%u %u %u\n", &inside, &outside, &count) == 3) {
        (void)snprintf(map, sizeof map, "%.*s65536 0 1\n", (int)size, (const char *)bytes);
        return write(fd, map, strlen(map));
    }
    return write(fd, bytes, size);
}
#define write without_write
#endif

// What a session takes with it.
#ifdef WITHOUT_close_on_exec
#undef O_CLOEXEC
#define O_CLOEXEC 0
#undef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#undef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0
#define sys_close_range NOTHING
#endif
#ifdef WITHOUT_core_limit
#define setrlimit(which, limit) ((which) == RLIMIT_CORE ? 0 : (setrlimit)(which, limit))
#endif

// Root of the host makes the user namespace, and is charged for what is counted in it.
#ifdef WITHOUT_own_counters
#undef SYS_setresuid
#define SYS_setresuid SYS_getuid
#endif

// The limits of disks that a sandbox has are left as they are when it ends (cgroup.c).
#ifdef WITHOUT_free_disks
#define strsep(rest, separators) (*(separators) == '\n' ? NULL : (strsep)(rest, separators))
#endif

// Who may only look at a session may type (viewers.c).
#ifdef WITHOUT_peek
#define kept_view(who) KEPT_VIEW_##who)
#define KEPT_VIEW_enum (kept_view)(enum
#define KEPT_VIEW_looks VIEW_TYPES | (kept_view)(looks
#define KEPT_VIEW_looker VIEW_TYPES | (kept_view)(looker
#endif

// The kernel's own bound on namespaces, for those whom the filter stops as well.
#ifdef WITHOUT_namespace_bound
static inline ssize_t without_write(int fd, const void *bytes, size_t size) {
    bool bound = size <= 3 && (memcmp(bytes, "0", size) == 0 || memcmp(bytes, "128", size) == 0);
    return bound ? (ssize_t)size : write(fd, bytes, size);
}
#define write without_write
#endif
