// Attacks on the host's own processes, services and files, which are found by where they always are.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "attack.h"

// All processes of a user's count as one for these, on the whole host.
static enum result count_processes(const struct attack *attack) {
    (void)attack;
    DIR *folder = opendir("/proc");
    size_t strangers = 0, own = 0;
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        struct stat info;
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' ||
            fstatat(dirfd(folder), entry->d_name, &info, 0) != 0)
            continue;
        own++;
        strangers += info.st_uid == 65534; // nobody inside: somebody outside
    }
    if (folder != NULL)
        (void)closedir(folder);
    if (strangers > 0)
        return broken("%zu processes belong to somebody outside", strangers);
    return own > 1 ? held("%zu processes, all of the sandbox's", own) : unattempted("no processes in /proc");
}

static enum result find_sockets(const struct attack *attack) {
    (void)attack;
    static const char *const paths[] = {
        "/run/dockersh/login.sock",    "/run/dockersh/admin.sock", "/run/dockersh/exec.sock",
        "/run/systemd/private",        "/run/systemd/notify",      "/run/systemd/journal/socket",
        "/run/dbus/system_bus_socket", "/run/docker.sock",         "/run/containerd/containerd.sock",
        "/run/podman/podman.sock",     "/run/udev/control",        "/run/nscd/socket",
        "/var/run/docker.sock",        "/tmp/.X11-unix/X0"};
    for (size_t index = 0; index < sizeof paths / sizeof paths[0]; index++) {
        struct stat info;
        if (lstat(paths[index], &info) == 0)
            return broken("%s is there", paths[index]);
    }
    return held("none is there");
}

static enum result find_state(const struct attack *attack) {
    (void)attack;
    static const char *const paths[] = {"/var/lib/dockersh/ids.json", "/var/lib/dockersh/users",
                                        "/etc/dockersh/dockersh.ini", "/run/dockersh/sandboxes"};
    for (size_t index = 0; index < sizeof paths / sizeof paths[0]; index++) {
        struct stat info;
        if (lstat(paths[index], &info) == 0)
            return broken("%s is there", paths[index]);
    }
    return held("none is there");
}

static const struct attack attacks[] = {
    {.name = "processes-outside",
     .tries = "find processes of somebody outside in /proc",
     .must = "finds none",
     .places = ANYWHERE,
     .run = count_processes},
    {.name = "sockets-of-services",
     .tries = "find sockets of the host's services",
     .must = "finds none",
     .places = ANYWHERE,
     .run = find_sockets},
    {.name = "state",
     .tries = "find what dockersh keeps on the host",
     .must = "finds nothing",
     .places = ANYWHERE,
     .run = find_state},
};

const struct family host_family = FAMILY(attacks);
