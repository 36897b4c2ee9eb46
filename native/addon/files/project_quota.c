// Sets and reads quotas of projects on ext4 and xfs (quotactl(2), ioctl_xfs_fsgetxattr(2)). A folder with an
// id passes it on to what is made in it; what is in a tree that is there already, dockersh-layer marks.
#include "files/project_quota.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "later.h"

#define COMMAND(name) QCMD((unsigned)(name), PRJQUOTA)

static int open_folder(const char *path) {
    return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int quota(int folder, unsigned command, uint32_t id, void *data) {
    return (int)syscall(SYS_quotactl_fd, folder, command, id, data);
}

// (path[, id[, bytes, inodes]])
static napi_value start(napi_env env, napi_callback_info info, struct later *later, size_t wanted,
                        const char *name) {
    napi_value values[4];
    size_t count = 4, length;
    bool good =
        later != NULL && napi_get_cb_info(env, info, &count, values, NULL, NULL) == napi_ok &&
        count >= wanted &&
        napi_get_value_string_utf8(env, values[0], later->path, sizeof later->path, &length) == napi_ok;
    for (size_t index = 1; good && index < wanted; index++) {
        int64_t number;
        good = napi_get_value_int64(env, values[index], &number) == napi_ok && number >= 0;
        if (good)
            later->numbers[index - 1] = (unsigned long long)number;
    }
    if (good)
        return later_start(env, later, name);
    free(later);
    (void)napi_throw_type_error(env, NULL, "expected a path and numbers");
    return NULL;
}

static napi_value named(napi_env env, const struct later *later, const char *const *names) {
    napi_value result = NULL, value;
    (void)napi_create_object(env, &result);
    for (size_t index = 0; names[index] != NULL; index++) {
        (void)napi_create_int64(env, (int64_t)later->numbers[index], &value);
        (void)napi_set_named_property(env, result, names[index], value);
    }
    return result;
}

// ---- state(path): {counted, enforced}, numbers that are 0 or not

static void run_state(struct later *later) {
    struct fs_quota_statv state = {.qs_version = FS_QSTATV_VERSION1};
    cleanup_fd int folder = open_folder(later->path);
    if (folder < 0 || quota(folder, COMMAND(Q_XGETQSTATV), 0, &state) != 0) {
        later_failed(later, "quotactl");
        return;
    }
    later->numbers[0] = state.qs_flags & FS_QUOTA_PDQ_ACCT;
    later->numbers[1] = state.qs_flags & FS_QUOTA_PDQ_ENFD;
}

static napi_value state_of(napi_env env, const struct later *later) {
    static const char *const names[] = {"counted", "enforced", NULL};
    return named(env, later, names);
}

napi_value project_state(napi_env env, napi_callback_info info) {
    return start(env, info, later_new(run_state, state_of), 1, "projectState");
}

// Says by itself what failed.
static int open_with_attributes(struct later *later, struct fsxattr *attributes) {
    cleanup_fd int folder = open_folder(later->path);
    if (folder >= 0 && ioctl(folder, FS_IOC_FSGETXATTR, attributes) == 0)
        return take_fd(&folder);
    later_failed(later, "FS_IOC_FSGETXATTR");
    return -1;
}

// ---- of(path): {id, inherits}

static void run_of(struct later *later) {
    struct fsxattr attributes;
    cleanup_fd int folder = open_with_attributes(later, &attributes);
    if (folder < 0)
        return;
    later->numbers[0] = attributes.fsx_projid;
    later->numbers[1] = (attributes.fsx_xflags & FS_XFLAG_PROJINHERIT) != 0;
}

static napi_value project_and_flag(napi_env env, const struct later *later) {
    static const char *const names[] = {"id", "inherits", NULL};
    return named(env, later, names);
}

napi_value project_of(napi_env env, napi_callback_info info) {
    return start(env, info, later_new(run_of, project_and_flag), 1, "projectOf");
}

// ---- mark(path, id): one folder; with id 0, that it belongs to no project

static void run_mark(struct later *later) {
    struct fsxattr attributes;
    cleanup_fd int folder = open_with_attributes(later, &attributes);
    if (folder < 0)
        return;
    attributes.fsx_projid = (uint32_t)later->numbers[0];
    attributes.fsx_xflags &= ~(uint32_t)FS_XFLAG_PROJINHERIT;
    if (attributes.fsx_projid != 0)
        attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    if (ioctl(folder, FS_IOC_FSSETXATTR, &attributes) != 0)
        later_failed(later, "FS_IOC_FSSETXATTR");
}

napi_value project_mark(napi_env env, napi_callback_info info) {
    return start(env, info, later_new(run_mark, NULL), 2, "projectMark");
}

// ---- limit(path, id, bytes, inodes); 0: none

static void run_limit(struct later *later) {
    struct if_dqblk limit = {.dqb_bhardlimit = later->numbers[1] / 1024, // in KiB
                             .dqb_ihardlimit = later->numbers[2],
                             .dqb_valid = QIF_LIMITS};
    cleanup_fd int folder = open_folder(later->path);
    if (folder < 0 || quota(folder, COMMAND(Q_SETQUOTA), (uint32_t)later->numbers[0], &limit) != 0)
        later_failed(later, "quotactl");
}

napi_value project_limit(napi_env env, napi_callback_info info) {
    return start(env, info, later_new(run_limit, NULL), 4, "projectLimit");
}

// ---- use(path, id): {bytes, inodes, mostBytes, mostInodes}; most: 0 where there is no limit

static void run_use(struct later *later) {
    struct if_dqblk use = {0};
    cleanup_fd int folder = open_folder(later->path);
    int done = folder < 0 ? -1 : quota(folder, COMMAND(Q_GETQUOTA), (uint32_t)later->numbers[0], &use);
    if (done != 0 && (folder < 0 || (errno != ENOENT && errno != ESRCH))) { // xfs: nothing is known of it yet
        later_failed(later, "quotactl");
        return;
    }
    later->numbers[0] = use.dqb_curspace;
    later->numbers[1] = use.dqb_curinodes;
    later->numbers[2] = use.dqb_bhardlimit * 1024;
    later->numbers[3] = use.dqb_ihardlimit;
}

static napi_value used(napi_env env, const struct later *later) {
    static const char *const names[] = {"bytes", "inodes", "mostBytes", "mostInodes", NULL};
    return named(env, later, names);
}

napi_value project_use(napi_env env, napi_callback_info info) {
    return start(env, info, later_new(run_use, used), 2, "projectUse");
}
