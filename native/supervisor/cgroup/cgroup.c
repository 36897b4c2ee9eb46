#include "cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cgroup/delegate.h"
#include "cleanup.h"
#include "keep.h"

#define REMOVE_ATTEMPTS 200 // of a millisecond each

static void path_of(const struct cgroups *cgroups, size_t index, const char *name, char *path, size_t size) {
    (void)snprintf(path, size, "%s/%s", cgroups->parents[index], name);
}

int cgroups_parse(struct cgroups *cgroups, struct wire_reader *reader, struct err *err) {
    memset(cgroups, 0, sizeof *cgroups);
    struct wire_field field;
    while (wire_next(reader, &field)) {
        uint32_t version;
        if (field.tag == TAG_CGROUP_KIND && wire_u32(&field, &version)) {
            cgroups->version = (int)version;
        } else if (field.tag == TAG_CGROUP && cgroups->count < MAX_HIERARCHIES) {
            char *parent = wire_text(&field);
            if (parent == NULL)
                return err_plain(err, FAILURE_PROTOCOL, "a cgroup's path is broken", NULL);
            cgroups->parents[cgroups->count++] = parent;
        }
    }
    if (cgroups->count == 0 || (cgroups->version != 1 && cgroups->version != 2))
        return err_plain(err, FAILURE_PROTOCOL, "no cgroup hierarchy was given", NULL);
    return 0;
}

// EBUSY: a process of ours is dead but not yet taken off the cgroup's list.
static void remove_one(const char *path) {
    for (int attempt = 0; attempt < REMOVE_ATTEMPTS && rmdir(path) != 0 && errno == EBUSY; attempt++) {
        struct timespec pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
    }
}

int cgroups_make(struct cgroups *cgroups, const char *name, struct err *err) {
    (void)snprintf(cgroups->name, sizeof cgroups->name, "%s", name);
    for (size_t index = 0; index < cgroups->count; index++) {
        char path[512];
        path_of(cgroups, index, name, path, sizeof path);
        for (int attempt = 0; mkdir(path, 0755) != 0; attempt++) {
            if (errno != EEXIST || attempt == REMOVE_ATTEMPTS)
                return err_sys(err, "make cgroup", path);
            // Of a sandbox whose supervisor was killed. It may have other limits, and may be frozen; a user
            // may have divided it.
            cgroup_remove_tree(path);
        }
    }
    return 0;
}

int cgroups_rename(struct cgroups *cgroups, const char *name, struct err *err) {
    for (size_t index = 0; index < cgroups->count; index++) {
        char from[512], to[512];
        path_of(cgroups, index, cgroups->name, from, sizeof from);
        path_of(cgroups, index, name, to, sizeof to);
        for (int attempt = 0; rename(from, to) != 0; attempt++) {
            if (errno != EEXIST || attempt == REMOVE_ATTEMPTS)
                return err_sys(err, "rename cgroup", to);
            remove_one(to); // of a sandbox whose supervisor was killed; its processes may still be ending
        }
    }
    (void)snprintf(cgroups->name, sizeof cgroups->name, "%s", name);
    return 0;
}

static int write_file(const char *path, const char *value) {
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, value, strlen(value)) >= 0 ? 0 : -1;
}

int cgroups_apply(const struct cgroups *cgroups, const struct spec *spec, struct err *err) {
    for (size_t index = 0; index < spec->write_count; index++) {
        const struct cgroup_write *wanted = &spec->writes[index];
        if (wanted->hierarchy >= cgroups->count)
            return err_plain(err, FAILURE_PROTOCOL, "a limit names no cgroup hierarchy", wanted->file);
        char path[768];
        (void)snprintf(path, sizeof path, "%s/%s/%s", cgroups->parents[wanted->hierarchy], cgroups->name,
                       wanted->file);
        if (write_file(path, wanted->value) != 0)
            return err_code(err, FAILURE_LIMIT, "set limit", path);
    }
    return 0;
}

int cgroups_attach(const struct cgroups *cgroups, pid_t pid, struct err *err) {
    char number[16];
    (void)snprintf(number, sizeof number, "%d", (int)pid);
    for (size_t index = 0; index < cgroups->count; index++) {
        char path[768];
        (void)snprintf(path, sizeof path, "%s/%s/cgroup.procs", cgroups->parents[index], cgroups->name);
        if (write_file(path, number) != 0)
            return err_sys(err, "enter cgroup", path);
    }
    return 0;
}

int cgroups_open(const struct cgroups *cgroups, struct err *err) {
    char path[512];
    path_of(cgroups, 0, cgroups->name, path, sizeof path);
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : err_sys(err, "open cgroup", path);
}

// A line for each disk: its number, a blank, and what limits it.
static void lift(const char *path, const char *nothing) {
    cleanup_fd int fd = open(path, O_RDWR | O_CLOEXEC);
    char text[4096], value[128], *rest = text;
    ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (length <= 0)
        return;
    text[length] = '\0';
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        int number = (int)strcspn(line, " ");
        (void)snprintf(value, sizeof value, "%.*s %s", number, line, nothing);
        if (number > 0)
            (void)!write(fd, value, strlen(value));
    }
}

void cgroups_free_disks(const struct cgroups *cgroups, const struct spec *spec) {
    for (size_t index = 0; index < spec->lift_count && cgroups->name[0] != '\0'; index++) {
        const struct cgroup_write *wanted = &spec->lifts[index];
        char path[768];
        if (wanted->hierarchy >= cgroups->count)
            continue;
        (void)snprintf(path, sizeof path, "%s/%s/%s", cgroups->parents[wanted->hierarchy], cgroups->name,
                       wanted->file);
        lift(path, wanted->value);
    }
}

void cgroups_remove(struct cgroups *cgroups) {
    if (cgroups->name[0] == '\0')
        return;
    for (size_t index = 0; index < cgroups->count; index++) {
        char path[512];
        path_of(cgroups, index, cgroups->name, path, sizeof path);
        remove_one(path);
    }
    cgroups->name[0] = '\0';
}

int cgroups_birth(const struct cgroups *cgroups, const struct spec *spec, bool started,
                  struct sys_clone_args *args, int *cgroup, struct err *err) {
    if (cgroups->version != 2)
        return 0;
    *cgroup = spec->delegated != NULL ? delegate_open(spec, started, err) : cgroups_open(cgroups, err);
    if (*cgroup < 0)
        return -1;
    args->flags = SYS_CLONE_INTO_CGROUP;
    args->cgroup = (uint64_t)*cgroup;
    return 0;
}

void cgroups_attach_meanwhile(const struct cgroups *cgroups) {
    struct err ignored = {0};
    pid_t pid = getpid();
    (void)signal(SIGCHLD, SIG_IGN);
    if (fork() != 0)
        return;
    keep_only(NULL, 0);
    (void)cgroups_attach(cgroups, pid, &ignored);
    _exit(0);
}
