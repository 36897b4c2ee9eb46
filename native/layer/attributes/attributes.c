#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attributes/access_list.h"
#include "attributes/attributes.h"
#include "report.h"

static const char CAPABILITY[] = "security.capability";

int attributes_check_ids(const struct tar_entry *entry, struct err *err) {
    const char *which = entry->uid > ID_MAX ? "uid" : "gid";
    uint64_t id = entry->uid > ID_MAX ? entry->uid : entry->gid;
    if (id <= ID_MAX)
        return 0;
    char text[40];
    (void)snprintf(text, sizeof text, "%s %llu", which, (unsigned long long)id);
    return err_plain(err, FAILURE_IDS, "an id above 65535", text);
}

bool attributes_may_keep(const char *name) {
    static const char user[] = "user.";
    static const char overlay[] = "user.overlay.";
    if (strcmp(name, CAPABILITY) == 0 || access_list_is(name))
        return true;
    return strncmp(name, user, sizeof user - 1) == 0 && strncmp(name, overlay, sizeof overlay - 1) != 0;
}

// linux/capability.h, struct vfs_ns_cap_data: version 3 ends in the id of the user namespace's root that
// it holds for, which is an id like any other.
static bool capability_is_sound(const struct tar_xattr *xattr) {
    if (xattr->length == 20)
        return xattr->value[3] == 2;
    if (xattr->length != 24 || xattr->value[3] != 3)
        return false;
    uint32_t root;
    memcpy(&root, xattr->value + 20, sizeof root); // little-endian, as every machine supported
    return root <= ID_MAX;
}

static int check_xattr(const struct tar_xattr *xattr, struct err *err) {
    if (strcmp(xattr->name, CAPABILITY) == 0 && !capability_is_sound(xattr))
        return err_plain(err, FAILURE_DAMAGED, "malformed attribute", CAPABILITY);
    return access_list_is(xattr->name) ? access_list_check(xattr, err) : 0;
}

// What is inside a sandbox's own must not hold on the host: version 3, for its root alone.
static int capability_to_host(struct tar_xattr *xattr, const struct id_map *uids, struct err *err) {
    uint32_t root = 0;
    if (xattr->length == 24)
        memcpy(&root, xattr->value + 20, sizeof root); // little-endian, as every machine supported
    if (!id_map_host(uids, root, &root))
        return err_plain(err, FAILURE_IDS, "an id that the sandbox does not have in the attribute",
                         CAPABILITY);
    uint8_t *value = realloc(xattr->value, 24);
    if (value == NULL)
        return err_sys(err, "remember the attribute", CAPABILITY);
    value[3] = 3;
    memcpy(value + 20, &root, sizeof root);
    xattr->value = value;
    xattr->length = 24;
    return 0;
}

static int xattr_to_host(struct tar_xattr *xattr, const struct id_map *uids, const struct id_map *gids,
                         struct err *err) {
    if (check_xattr(xattr, err) < 0)
        return -1;
    if (strcmp(xattr->name, CAPABILITY) == 0)
        return capability_to_host(xattr, uids, err);
    if (access_list_is(xattr->name) && !access_list_to_host(xattr->value, xattr->length, uids, gids))
        return err_plain(err, FAILURE_IDS, "an id that the sandbox does not have in the attribute",
                         xattr->name);
    return 0;
}

int attributes_to_host(struct tar_entry *entry, const struct id_map *uids, const struct id_map *gids,
                       struct err *err) {
    uint32_t uid, gid;
    if (!id_map_host(uids, entry->uid, &uid) || !id_map_host(gids, entry->gid, &gid))
        return err_plain(err, FAILURE_IDS, "an owner that the sandbox does not have", "");
    entry->uid = uid;
    entry->gid = gid;
    entry->host_ids = true;
    for (size_t index = 0; index < entry->xattr_count; index++)
        if (xattr_to_host(&entry->xattrs[index], uids, gids, err) < 0)
            return -1;
    return 0;
}

static int set_xattr(int fd, const struct tar_entry *entry, const struct tar_xattr *xattr, struct err *err) {
    if (!entry->host_ids && check_xattr(xattr, err) < 0)
        return -1;
    if (fsetxattr(fd, xattr->name, xattr->value, xattr->length, 0) < 0)
        return err_sys(err, "set the attribute", xattr->name);
    return 0;
}

// Owner first: changing it clears set-id bits and file capabilities (chown(2)). Then the mode, then the
// attributes.
int attributes_set(int fd, const struct tar_entry *entry, const struct stat *now, uint64_t *skipped,
                   struct err *err) {
    bool owned = now != NULL && now->st_uid == (uid_t)entry->uid && now->st_gid == (gid_t)entry->gid;
    if (!owned && fchown(fd, (uid_t)entry->uid, (gid_t)entry->gid) < 0)
        return err_sys(err, "set the owner", "");
    // A change of the owner takes set-id bits away, and no other ones (chown(2)).
    bool moded = now != NULL && (now->st_mode & 07777) == (entry->mode & 07777) &&
                 (owned || (entry->mode & 07000) == 0);
    if (!moded && fchmod(fd, entry->mode) < 0)
        return err_sys(err, "set the mode", "");
    for (size_t index = 0; index < entry->xattr_count; index++) {
        const struct tar_xattr *xattr = &entry->xattrs[index];
        if (!attributes_may_keep(xattr->name))
            ++*skipped;
        else if (strcmp(xattr->name, DEFAULT_ACCESS_LIST) != 0 && set_xattr(fd, entry, xattr, err) < 0)
            return -1;
    }
    return 0;
}

int attributes_set_default(int fd, const struct tar_entry *entry, struct err *err) {
    for (size_t index = 0; index < entry->xattr_count; index++)
        if (strcmp(entry->xattrs[index].name, DEFAULT_ACCESS_LIST) == 0 &&
            set_xattr(fd, entry, &entry->xattrs[index], err) < 0)
            return -1;
    return 0;
}

static int by_name(const void *left, const void *right) {
    return strcmp(((const struct tar_xattr *)left)->name, ((const struct tar_xattr *)right)->name);
}

// A capability of version 3 names the user namespace that it holds in by what its root is on the host. In an
// archive root is 0, which is what version 2 says without a number. Returns the new length.
static size_t shift_capability(const struct id_map *uids, uint8_t *value, size_t length) {
    if (uids->count == 0 || length != 24 || value[3] != 3)
        return length;
    uint32_t root;
    memcpy(&root, value + 20, sizeof root); // little-endian, as every machine supported
    root = id_map_inside(uids, root);
    if (root == 0) {
        value[3] = 2;
        return 20;
    }
    memcpy(value + 20, &root, sizeof root);
    return length;
}

static int read_xattr(int fd, const char *name, const struct id_map *uids, const struct id_map *gids,
                      struct tar_entry *entry, struct err *err) {
    static uint8_t value[65536]; // XATTR_SIZE_MAX
    ssize_t length = fgetxattr(fd, name, value, sizeof value);
    if (length < 0)
        return errno == ENODATA ? 0 : err_sys(err, "read the attribute", name);
    size_t kept = (size_t)length;
    if (strcmp(name, CAPABILITY) == 0)
        kept = shift_capability(uids, value, kept);
    if (access_list_is(name)) {
        access_list_shift(value, kept, uids, gids);
        const struct tar_xattr list = {.name = (char *)name, .value = value, .length = kept};
        if (access_list_check(&list, err) < 0)
            return -1;
    }
    if (tar_entry_add_xattr(entry, name, strlen(name), value, kept) < 0)
        return err_sys(err, "remember the attribute", name);
    return 0;
}

static char names[65536]; // XATTR_LIST_MAX

static int list_names(int fd, ssize_t *length, struct err *err) {
    *length = flistxattr(fd, names, sizeof names);
    if (*length < 0 && errno != ENOTSUP)
        return err_sys(err, "list the attributes", "");
    return 0;
}

int attributes_clear(int fd, struct err *err) {
    ssize_t length;
    if (list_names(fd, &length, err) < 0)
        return -1;
    for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1)
        if (attributes_may_keep(names + at) && fremovexattr(fd, names + at) < 0 && errno != ENODATA)
            return err_sys(err, "remove the attribute", names + at);
    return 0;
}

int attributes_read(int fd, const struct id_map *uids, const struct id_map *gids, struct tar_entry *entry,
                    uint64_t *skipped, struct err *err) {
    ssize_t length;
    if (list_names(fd, &length, err) < 0)
        return -1;
    for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
        if (!attributes_may_keep(names + at))
            ++*skipped;
        else if (read_xattr(fd, names + at, uids, gids, entry, err) < 0)
            return -1;
    }
    if (entry->xattr_count > 1)
        qsort(entry->xattrs, entry->xattr_count, sizeof *entry->xattrs, by_name);
    return 0;
}
