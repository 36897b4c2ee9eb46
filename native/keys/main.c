// dockersh-keys, sshd's AuthorizedKeysCommand: prints the keys that a user keeps inside, in
// ~/.ssh/authorized_keys of a private home, from the copy that dockershd has made of it
// (src/users/home/key-copies.ts).
//
//     AuthorizedKeysCommand /usr/lib/dockersh/dockersh-keys %U %u
//     AuthorizedKeysCommandUser dockersh-keys
//
// sshd asks whenever somebody, a stranger as likely as the user, tries to log in. So nothing is started,
// mounted or asked for here: one file is read, which root alone can change, by a user that can do nothing
// else. It trusts what that file says, and of its arguments nothing but that they are what sshd was asked
// about: who names another user gets that one's public keys.
//
// `dockersh-keys [--folder PATH] UID NAME`

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

#define KEYS_DIR "/var/lib/dockersh-keys"
// The file that is copied, and the line before it.
#define MOST_BYTES (64 * 1024 + 512)

static char content[MOST_BYTES + 1];

// The whole of the copy; -1: there is none that is root's alone to change.
static ssize_t read_copy(const char *folder, const char *uid) {
    cleanup_fd int at = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    cleanup_fd int fd =
        at < 0 ? -1 : openat(at, uid, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != 0 ||
        (info.st_mode & 022) != 0)
        return -1;
    size_t used = 0;
    while (used < sizeof content) {
        ssize_t got = read(fd, content + used, sizeof content - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            return (ssize_t)used;
        used += (size_t)got;
    }
    return -1;
}

// Where the keys begin. The first line says whose they are: a uid may be another account's by now.
static const char *keys_of(const char *uid, const char *name) {
    char line[512];
    int length = snprintf(line, sizeof line, "dockersh-keys 1 %s %s\n", uid, name);
    if (length <= 0 || (size_t)length >= sizeof line || strncmp(content, line, (size_t)length) != 0)
        return NULL;
    return content + length;
}

static bool print(const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = write(1, bytes, length);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

int main(int argc, char **argv) {
    const char *folder = KEYS_DIR;
    if (argc == 5 && strcmp(argv[1], "--folder") == 0) {
        folder = argv[2];
        argv += 2;
        argc -= 2;
    }
    if (argc != 3) {
        (void)fputs("usage: dockersh-keys [--folder PATH] UID NAME\n", stderr);
        return 64;
    }
    const char *uid = argv[1], *name = argv[2];
    size_t digits = strspn(uid, "0123456789");
    if (digits == 0 || digits > 10 || uid[digits] != '\0' || strchr(name, '\n') != NULL)
        return 64;
    ssize_t length = read_copy(folder, uid);
    if (length < 0)
        return 0; // nothing is kept inside, or nobody has looked yet: sshd goes on with its own files
    content[length] = '\0';
    const char *keys = keys_of(uid, name);
    if (keys == NULL)
        return 0;
    return print(keys, (size_t)length - (size_t)(keys - content)) ? 0 : 1;
}
