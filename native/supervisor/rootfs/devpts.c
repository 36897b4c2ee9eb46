#include "rootfs/devpts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "rootfs/in_root.h"
#include "session/identity.h"
#include "sys.h"

#define TTY_GROUP 5
#define HIGH_GROUP 0xffff0005u // above INT_MAX, as those of a sandbox's range are
// Of one sandbox: terminals are counted for the machine, and nobody is charged.
#define MOST_TERMINALS "128"

// A change sets what it does not name to the default: everything is told each time.
static int configure(int fs, gid_t group, unsigned command, struct err *err) {
    char gid[16];
    (void)snprintf(gid, sizeof gid, "%u", group);
    const char *const options[][2] = {
        {"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", gid}, {"max", MOST_TERMINALS}};
    for (size_t index = 0; index < sizeof options / sizeof options[0]; index++) {
        if (sys_fsconfig(fs, SYS_FSCONFIG_SET_STRING, options[index][0], options[index][1]) != 0)
            return err_sys(err, "set up devpts", options[index][0]);
    }
    return sys_fsconfig(fs, command, NULL, NULL) == 0 ? 0 : err_sys(err, "set up devpts", NULL);
}

int devpts_make(struct err *err) {
    cleanup_fd int fs = sys_fsopen("devpts", SYS_FSOPEN_CLOEXEC);
    if (fs < 0)
        return err_sys(err, "make devpts", NULL);
    if (configure(fs, HIGH_GROUP, SYS_FSCONFIG_CMD_CREATE, err) != 0) {
        if (err->number != EINVAL)
            return -1;
        *err = (struct err){0};
        return CLOSED_FD;
    }
    int made = sys_fsmount(fs, SYS_FSMOUNT_CLOEXEC, SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NOEXEC);
    return made >= 0 ? made : err_sys(err, "make devpts", NULL);
}

int devpts_attach(int devpts, const struct spec *spec, int root, struct err *err) {
    if (devpts < 0)
        return 0;
    cleanup_fd int fs = sys_fspick(devpts, "", SYS_FSPICK_CLOEXEC | SYS_FSPICK_EMPTY_PATH);
    if (fs < 0)
        return err_sys(err, "open devpts", NULL);
    if (configure(fs, identity_host_gid(TTY_GROUP, spec), SYS_FSCONFIG_CMD_RECONFIGURE, err) != 0)
        return -1;
    if (fchownat(devpts, "ptmx", spec->root_uid, spec->root_gid, AT_SYMLINK_NOFOLLOW) != 0 ||
        fchownat(devpts, "", spec->root_uid, spec->root_gid, AT_EMPTY_PATH) != 0)
        return err_sys(err, "set owner of devpts", NULL);
    cleanup_fd int target = open_in_root(root, "dev/pts", err);
    if (target < 0)
        return -1;
    if (sys_move_mount(devpts, "", target, "", SYS_MOVE_MOUNT_F_EMPTY_PATH | SYS_MOVE_MOUNT_T_EMPTY_PATH) !=
        0)
        return err_sys(err, "mount devpts", NULL);
    return 0;
}

int devpts_complete(int root, struct err *err) {
    cleanup_fd int target = open_in_root(root, "dev/pts", err);
    if (target < 0)
        return -1;
    struct statfs info;
    if (fstatfs(target, &info) != 0)
        return err_sys(err, "look at /dev/pts", NULL);
    if (info.f_type == DEVPTS_SUPER_MAGIC)
        return 0;
    return mount_in_root(root, "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                         "newinstance,ptmxmode=0666,mode=0620,gid=5,max=" MOST_TERMINALS, err);
}
