// Helpers that attacks share: reading and writing kernel files, and work in a child process.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attack.h"
#include "cleanup.h"

ssize_t read_text(const char *path, char *text, size_t size) {
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    size_t used = 0;
    ssize_t got = 0;
    while (used + 1 < size && (got = read(fd, text + used, size - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    return got < 0 ? -1 : (ssize_t)used;
}

bool refused_by_filter(long result) {
    return result < 0 && (errno == EPERM || errno == ENOSYS);
}

int write_text(const char *path, const char *text) {
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    return write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

bool kernel_lacks(const char *path) {
    size_t length = strlen(path);
    for (const char *one = argument("kernel-lacks"); one != NULL; one = strchr(one, ',')) {
        one += *one == ',';
        if (strncmp(one, path, length) == 0 && (one[length] == ',' || one[length] == '\0'))
            return true;
    }
    return false;
}

enum result absent(const char *path) {
    return kernel_lacks(path) ? held("this kernel has no %s", path) : unattempted("there is no %s", path);
}

enum result unwritable(const char *path, const char *text) {
    if (write_text(path, text) == 0)
        return broken("wrote to %s", path);
    if (errno == ENOENT)
        return absent(path);
    return held("%s: %s", path, strerror(errno));
}

enum result unreadable(const char *path) {
    char text[4096];
    ssize_t length = read_text(path, text, sizeof text);
    if (length > 0)
        return broken("read %zd bytes of %s", length, path);
    if (length < 0 && errno == ENOENT)
        return absent(path);
    return held("%s: %s", path, length < 0 ? strerror(errno) : "nothing in it");
}

bool given(const char *key, const char *value) {
    char name[64];
    (void)snprintf(name, sizeof name, "policy-%s", key);
    const char *found = argument(name);
    return found != NULL && strcmp(found, value) == 0;
}

bool status_field(const char *process, const char *name, char *value, size_t size) {
    char path[64], text[8192];
    (void)snprintf(path, sizeof path, "/proc/%s/status", process);
    if (read_text(path, text, sizeof text) <= 0)
        return false;
    size_t length = strlen(name);
    for (char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) != 0 || line[length] != ':')
            continue;
        line += length + 1;
        line += strspn(line, "\t ");
        (void)snprintf(value, size, "%.*s", (int)strcspn(line, "\n"), line);
        return true;
    }
    return false;
}

int in_child(int (*work)(void *), void *data) {
    pid_t child = fork();
    if (child == 0)
        _exit(work(data));
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}
