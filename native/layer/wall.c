#include "wall.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "confined.h"

static int allow(int rules, const struct wall_folder *folder, struct err *err) {
    cleanup_fd int opened = open(folder->path, O_PATH | O_CLOEXEC);
    if (opened < 0)
        return err_sys(err, "open", folder->path);
    return confined_below(rules, opened, folder->path, folder->writable ? CONFINED_WRITE : CONFINED_READ,
                          err);
}

// Not by the first version, which allows no links between folders.
static int restrict_files(const struct wall_folder *folders, size_t count, struct err *err) {
    cleanup_fd int rules = CLOSED_FD;
    if (confined_rules(2, &rules, err) != 0)
        return -1;
    for (size_t index = 0; index < count && rules >= 0; index++)
        if (allow(rules, &folders[index], err) != 0)
            return -1;
    return confined_restrict(rules, err);
}

// A device may only be a whiteout: 0, 0. The number is the call's third argument or its fourth.
#define DENY_DEVICES(call, argument)                                                                         \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 4),                                                   \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[argument])),                   \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),  \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

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
    return confined_calls(filter, sizeof filter / sizeof filter[0], err);
}

// What no job needs after it has begun. Landlock says nothing of sockets with a path, and of tracing by root.
static int restrict_calls(struct err *err) {
    static const struct sock_filter filter[] = {
        CALLS_OF_THIS_MACHINE,
        CALLS_DENY(execve),
        CALLS_DENY(execveat),
        CALLS_DENY(socket),
        CALLS_DENY(connect),
        CALLS_DENY(bind),
        CALLS_DENY(kill),
        CALLS_DENY(tkill),
        CALLS_DENY(tgkill),
        CALLS_DENY(pidfd_send_signal),
        CALLS_DENY(rt_sigqueueinfo),
        CALLS_DENY(rt_tgsigqueueinfo),
        CALLS_DENY(ptrace),
        CALLS_DENY(process_vm_readv),
        CALLS_DENY(process_vm_writev),
        CALLS_DENY(pidfd_getfd),
        CALLS_DENY(kcmp),
        CALLS_DENY(pivot_root),
        CALLS_DENY(chroot),
        CALLS_DENY(fspick),
        CALLS_DENY(quotactl),
        CALLS_DENY(swapon),
        CALLS_DENY(swapoff),
        CALLS_DENY(bpf),
        CALLS_DENY(perf_event_open),
        CALLS_DENY(userfaultfd),
        CALLS_DENY(io_uring_setup),
        CALLS_DENY(init_module),
        CALLS_DENY(finit_module),
        CALLS_DENY(delete_module),
        CALLS_DENY(kexec_load),
        CALLS_DENY(add_key),
        CALLS_DENY(keyctl),
        CALLS_DENY(request_key),
        CALLS_DENY(fanotify_init),
        CALLS_DENY(syslog),
        CALLS_DENY(reboot),
        CALLS_DENY(sethostname),
        CALLS_DENY(setdomainname),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return confined_calls(filter, sizeof filter / sizeof filter[0], err);
}

// Landlock says nothing of them for who keeps CAP_SYS_ADMIN.
static int restrict_mounts(struct err *err) {
    static const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        CALLS_DENY(mount),
        CALLS_DENY(umount2),
        CALLS_DENY(unshare),
        CALLS_DENY(setns),
        CALLS_DENY(open_tree),
        CALLS_DENY(move_mount),
        CALLS_DENY(fsopen),
        CALLS_DENY(fsmount),
        CALLS_DENY(mount_setattr),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return confined_calls(filter, sizeof filter / sizeof filter[0], err);
}

static int restrict_handles(struct err *err) {
    static const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        CALLS_DENY(open_by_handle_at),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return confined_calls(filter, sizeof filter / sizeof filter[0], err);
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
