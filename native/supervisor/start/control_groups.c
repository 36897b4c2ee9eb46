#include "start/control_groups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "rootfs/in_root.h"

#define PLACE "sys/fs/cgroup"
#define PLAIN (MS_NOSUID | MS_NODEV | MS_NOEXEC)

// The sandbox's own, whose files it may see: of version 2, and of version 1 by their controllers. Of a
// hierarchy in which it has none, the root of its namespace is the whole host's.
static struct {
    bool version_2;
    char *version_1[MAX_CGROUP_WRITES];
    size_t count;
} own;

static bool ends_with(const char *path, const char *name) {
    size_t length = strlen(path), end = strlen(name);
    return length > end && path[length - end - 1] == '/' && strcmp(path + length - end, name) == 0;
}

// "4:cpu,cpuacct:/dockersh/u1000-ada"; version 2 is "0::/dockersh/u1000-ada".
void control_groups_note(const struct spec *spec) {
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[4352];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *rest = line;
        line[strcspn(line, "\n")] = '\0';
        (void)strsep(&rest, ":");
        const char *controllers = strsep(&rest, ":");
        if (controllers == NULL || rest == NULL || !ends_with(rest, spec->name))
            continue;
        if (controllers[0] == '\0')
            own.version_2 = true;
        else if (strncmp(controllers, "name=", 5) != 0 && own.count < MAX_CGROUP_WRITES)
            own.version_1[own.count++] = strdup(controllers);
    }
    if (file != NULL)
        (void)fclose(file);
}

// A hierarchy of version 1, in a folder with the names of its controllers, as systemd has it.
static int mount_one(int root, const char *controllers, struct err *err) {
    char path[128];
    int length = snprintf(path, sizeof path, PLACE "/%s", controllers);
    if (length < 0 || (size_t)length >= sizeof path)
        return 0;
    cleanup_fd int folder = open_in_root(root, PLACE, err);
    if (folder < 0 || mkdirat(folder, controllers, 0755) != 0)
        return err_sys(err, "make folder", path);
    struct err ignored = {0};
    (void)mount_in_root(root, path, "cgroup", PLAIN | MS_RDONLY, controllers, &ignored);
    return 0;
}

static int mount_version_1(int root, struct err *err) {
    struct err ignored = {0};
    // Where there is no place for them, programs see no limits, as they see none on the host.
    if (mount_in_root(root, PLACE, "tmpfs", PLAIN, "mode=0755,size=64k", &ignored) != 0)
        return 0;
    for (size_t index = 0; index < own.count; index++)
        if (own.version_1[index] != NULL && mount_one(root, own.version_1[index], err) != 0)
            return -1;
    return mount_in_root(root, PLACE, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | PLAIN, NULL, err);
}

int control_groups_mount(const struct spec *spec, int root, struct err *err) {
    if (spec->delegated != NULL)
        return mount_in_root(root, PLACE, "cgroup2", PLAIN, NULL, err);
    // The host's sysfs has no folder of our own to mount on; with nesting whoever makes namespaces inside
    // needs a /sys without anything below it.
    if (spec->network == NET_HOST || spec->freedom.nesting)
        return 0;
    if (own.count > 0)
        return mount_version_1(root, err);
    struct err ignored = {0};
    if (own.version_2)
        (void)mount_in_root(root, PLACE, "cgroup2", PLAIN | MS_RDONLY, NULL, &ignored);
    return 0;
}
