#include "cgroup/delegate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

#define PATH_BYTES 1024
#define MOST_BELOW "1000" // cgroups; each costs the kernel memory
#define DEEPEST "16"
#define REMOVE_ATTEMPTS 200 // of a millisecond each

static int write_file(int folder, const char *name, const char *value) {
    cleanup_fd int fd = openat(folder, name, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, value, strlen(value)) >= 0 ? 0 : -1;
}

// What the controllers count here they count below as well. A controller that refuses is missed inside, by
// limits that users set for themselves.
static void pass_controllers(int folder) {
    char names[256] = {0}, changes[2 * sizeof names] = {0}; // "+cpu +memory"
    cleanup_fd int fd = openat(folder, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, names, sizeof names - 1) < 2)
        return; // there is none
    size_t used = 0;
    for (size_t index = 0; names[index] != '\0'; index++) {
        if (index == 0 || names[index - 1] == ' ')
            changes[used++] = '+';
        changes[used++] = names[index];
    }
    // All at once: where there are processes below, the kernel waits for every write.
    if (write_file(folder, "cgroup.subtree_control", changes) == 0)
        return;
    char *rest = NULL;
    for (char *one = strtok_r(changes, " \n", &rest); one != NULL; one = strtok_r(NULL, " \n", &rest))
        (void)write_file(folder, "cgroup.subtree_control", one);
}

static int give(int folder, const char *file, const struct spec *spec, struct err *err) {
    if (fchownat(folder, file, spec->uid, spec->gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0)
        return err_sys(err, "delegate cgroup", file[0] == '\0' ? spec->delegated : file);
    return 0;
}

static int make_folder(int parent, const char *name, struct err *err) {
    if (mkdirat(parent, name, 0755) != 0 && errno != EEXIST)
        return err_sys(err, "make cgroup", name);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : err_sys(err, "open cgroup", name);
}

// Calls back for each folder below, the deepest first. The user may be making others meanwhile.
static void each_folder(int folder, void (*work)(int parent, const char *name, void *data), void *data) {
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
    if (entries == NULL) {
        if (copy >= 0)
            (void)close(copy);
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        cleanup_fd int child = openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (child < 0)
            continue;
        each_folder(child, work, data);
        work(folder, entry->d_name, data);
    }
    (void)closedir(entries);
}

// EBUSY: a process is dead but not yet taken off the cgroup's list.
static void remove_one(int parent, const char *name, void *data) {
    (void)data;
    for (int attempt = 0; attempt < REMOVE_ATTEMPTS; attempt++) {
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno != EBUSY)
            return;
        struct timespec pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
    }
}

int delegate_make(const struct spec *spec, struct err *err) {
    if (spec->delegated == NULL)
        return 0;
    cleanup_fd int own = make_folder(AT_FDCWD, spec->delegated, err);
    if (own < 0)
        return -1;
    each_folder(own, remove_one, NULL); // of a sandbox whose supervisor was killed
    if (write_file(own, "cgroup.max.descendants", MOST_BELOW) != 0 ||
        write_file(own, "cgroup.max.depth", DEEPEST) != 0)
        return err_code(err, FAILURE_LIMIT, "bound cgroups below", spec->delegated);
    pass_controllers(own);
    cleanup_fd int inside = make_folder(own, "inside", err);
    if (inside < 0)
        return -1;
    cleanup_fd int sessions = make_folder(inside, "sessions", err);
    if (sessions < 0)
        return -1;
    // With a group in it that is root's, it cannot be removed, not even when the user has moved everything
    // out of it.
    cleanup_fd int kept = make_folder(sessions, "kept", err);
    if (kept < 0 || give(sessions, "cgroup.procs", spec, err) != 0 ||
        give(inside, "cgroup.procs", spec, err) != 0 || give(inside, "cgroup.threads", spec, err) != 0)
        return -1;
    return give(inside, "", spec, err);
}

static void path_of(const struct spec *spec, bool started, char path[PATH_BYTES]) {
    (void)snprintf(path, PATH_BYTES, "%s/inside%s", spec->delegated, started ? "/sessions" : "");
}

int delegate_open(const struct spec *spec, bool started, struct err *err) {
    char path[PATH_BYTES];
    path_of(spec, started, path);
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : err_sys(err, "open cgroup", path);
}

int delegate_attach(const struct spec *spec, bool started, pid_t pid, struct err *err) {
    if (spec->delegated == NULL)
        return 0;
    char path[PATH_BYTES], number[16];
    path_of(spec, started, path);
    (void)snprintf(number, sizeof number, "%d", (int)pid);
    cleanup_fd int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || write_file(folder, "cgroup.procs", number) != 0)
        return err_sys(err, "enter cgroup", path);
    return 0;
}

int delegate_limits(const struct spec *spec, struct err *err) {
    if (spec->delegated == NULL)
        return 0;
    cleanup_fd int inside = delegate_open(spec, false, err);
    if (inside < 0)
        return -1;
    pass_controllers(inside);
    return 0;
}

struct visit {
    void (*work)(pid_t pid, void *data);
    void *data;
};

static void visit_processes(int parent, const char *name, void *data) {
    const struct visit *visit = data;
    char path[NAME_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/cgroup.procs", name);
    int fd = openat(parent, path, O_RDONLY | O_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "re") : NULL;
    if (file == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    int pid;
    while (fscanf(file, "%d", &pid) == 1)
        visit->work(pid, visit->data);
    (void)fclose(file);
}

void cgroup_each_process(const char *path, void (*work)(pid_t pid, void *data), void *data) {
    struct visit visit = {.work = work, .data = data};
    cleanup_fd int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return;
    visit_processes(folder, ".", &visit);
    each_folder(folder, visit_processes, &visit);
}

void cgroup_remove_tree(const char *path) {
    cleanup_fd int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0)
        each_folder(folder, remove_one, NULL);
    remove_one(AT_FDCWD, path, NULL);
}
