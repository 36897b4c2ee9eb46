// The view's /etc: links to the host's, which is shown at /.etc, beside files of our own. Nothing is mounted
// on a file of the host's: whoever replaces that one on the host would take our mount away with it
// (rename(2)).
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "connection/make.h"

#define MOST_BYTES (8u * 1024 * 1024) // of a file that is copied

static bool is_own(const char *name) {
    static const char *const own[] = {"passwd", "group", "resolv.conf", "hosts", ".", ".."};
    for (size_t index = 0; index < sizeof own / sizeof own[0]; index++)
        if (strcmp(name, own[index]) == 0)
            return true;
    return false;
}

// A link of the host's is the same link here: from /.etc its `..` would lead to the same places, but it may
// also name a file that is ours here.
static int link_entry(int etc, const char *name, struct err *err) {
    char path[NAME_MAX + 8], target[4096];
    (void)snprintf(path, sizeof path, "/etc/%s", name);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0)
        length = snprintf(target, sizeof target, "/.etc/%s", name);
    target[length] = '\0';
    return symlinkat(target, etc, name) == 0 ? 0 : err_sys(err, "make link", path);
}

static int link_all(int etc, struct err *err) {
    DIR *list = opendir("/etc");
    if (list == NULL)
        return err_sys(err, "read folder", "/etc");
    int linked = 0;
    for (struct dirent *entry; linked == 0 && (entry = readdir(list)) != NULL;)
        if (!is_own(entry->d_name))
            linked = link_entry(etc, entry->d_name, err);
    (void)closedir(list);
    return linked;
}

static int create(int etc, const char *name, struct err *err) {
    int file = openat(etc, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    return file >= 0 ? file : err_sys(err, "make file in /etc", name);
}

// The content, followed by a NUL; NULL where there is none, or too much.
static char *read_host(const char *path) {
    struct stat info;
    cleanup_fd int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 || fstat(file, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > MOST_BYTES)
        return NULL;
    size_t used = 0, size = (size_t)info.st_size;
    char *text = malloc(size + 1);
    while (text != NULL && used < size) {
        ssize_t got = read(file, text + used, size - used);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    if (text != NULL)
        text[used] = '\0';
    return text;
}

static bool has_line_of(const char *text, const char *line) {
    size_t length = strcspn(line, ":") + 1;
    for (const char *at = text; at != NULL; at = strchr(at, '\n'), at += at != NULL ? 1 : 0)
        if (strncmp(at, line, length) == 0)
            return true;
    return false;
}

static int put(int file, const char *text, const char *name, struct err *err) {
    for (size_t length = strlen(text), sent = 0; sent < length;) {
        ssize_t now = write(file, text + sent, length - sent);
        if (now <= 0)
            return err_sys(err, "write", name);
        sent += (size_t)now;
    }
    return 0;
}

// The host's own, with the lines that it lacks: an account of a directory is known then without asking
// anybody.
static int add_names(int etc, const char *name, char *const *lines, size_t count, struct err *err) {
    char path[32];
    (void)snprintf(path, sizeof path, "/etc/%s", name);
    cleanup_free char *text = read_host(path);
    cleanup_fd int file = create(etc, name, err);
    const char *known = text != NULL ? text : "";
    size_t length = strlen(known);
    if (file < 0 || put(file, known, name, err) != 0 ||
        (length > 0 && known[length - 1] != '\n' && put(file, "\n", name, err) != 0))
        return -1;
    for (size_t index = 0; index < count; index++) {
        if (!has_line_of(known, lines[index]) &&
            (put(file, lines[index], name, err) != 0 || put(file, "\n", name, err) != 0))
            return -1;
    }
    return 0;
}

// `search`, `domain` and `options` of the host's (resolv.conf(5)).
static int put_settings(int file, const char *text, struct err *err) {
    static const char *const settings[] = {"search ", "domain ", "options "};
    for (const char *line = text; line != NULL && *line != '\0';) {
        size_t length = strcspn(line, "\n");
        for (size_t index = 0; index < sizeof settings / sizeof settings[0]; index++) {
            if (strncmp(line, settings[index], strlen(settings[index])) == 0 &&
                (write(file, line, length) != (ssize_t)length || write(file, "\n", 1) != 1))
                return err_sys(err, "write", "resolv.conf");
        }
        line += length + (line[length] == '\n' ? 1 : 0);
    }
    return 0;
}

// Names are asked for where the sandbox asks for them; where it has no network, nowhere.
static int add_resolver(int etc, const struct spec *spec, struct err *err) {
    cleanup_fd int file = create(etc, "resolv.conf", err);
    cleanup_free char *host = read_host("/etc/resolv.conf");
    if (file < 0)
        return -1;
    if (spec->network == NET_HOST)
        return put(file, host != NULL ? host : "", "resolv.conf", err);
    char address[INET_ADDRSTRLEN], line[64];
    if (spec->network != NET_PRIVATE || spec->plan.resolver.family != AF_INET ||
        inet_ntop(AF_INET, spec->plan.resolver.address, address, sizeof address) == NULL)
        return 0;
    (void)snprintf(line, sizeof line, "nameserver %s\n", address);
    return put(file, line, "resolv.conf", err) != 0 ? -1 : put_settings(file, host, err);
}

static int put_address(int file, const struct net_prefix *own, const char *hostname, struct err *err) {
    char address[INET6_ADDRSTRLEN], line[INET6_ADDRSTRLEN + 80];
    if (own->family == 0 || inet_ntop(own->family, own->address, address, sizeof address) == NULL)
        return 0;
    (void)snprintf(line, sizeof line, "%s\t%.64s\n", address, hostname);
    return put(file, line, "hosts", err);
}

// As the sandbox's is when it starts; where the network is the host's, as the host's.
static int add_hosts(int etc, const struct spec *spec, struct err *err) {
    static const struct net_prefix loopback = {.family = AF_INET, .address = {127, 0, 1, 1}};
    bool private = spec->network == NET_PRIVATE;
    cleanup_fd int file = create(etc, "hosts", err);
    cleanup_free char *host = spec->network == NET_HOST ? read_host("/etc/hosts") : NULL;
    if (file < 0)
        return -1;
    if (host != NULL)
        return put(file, host, "hosts", err);
    if (put(file, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n", "hosts", err) != 0 ||
        put_address(file, private ? &spec->plan.address4 : &loopback, spec->hostname, err) != 0)
        return -1;
    return private ? put_address(file, &spec->plan.address6, spec->hostname, err) : 0;
}

int view_add_etc(int root, const struct view_maker *maker, struct err *err) {
    const struct parts *parts = maker->parts;
    if (view_show(root, "/etc", "/.etc", VIEW_READ, err) != 0)
        return -1;
    if (mkdirat(root, "etc", 0755) != 0)
        return err_sys(err, "make folder in the view", "/etc");
    cleanup_fd int etc = openat(root, "etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (etc < 0)
        return err_sys(err, "open folder", "/etc");
    if (link_all(etc, err) != 0 || add_names(etc, "passwd", &parts->account, 1, err) != 0 ||
        add_names(etc, "group", parts->groups, parts->group_count, err) != 0)
        return -1;
    return add_resolver(etc, maker->spec, err) != 0 ? -1 : add_hosts(etc, maker->spec, err);
}
