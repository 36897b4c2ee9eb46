#include "keys/host_keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define PATH_SIZE 4096

static const struct own {
    const char *file, *type;
} own[] = {{"ssh_host_ed25519_key", "ssh-ed25519"},
           {"ssh_host_ecdsa_key", "ecdsa-sha2-nistp256"},
           {"ssh_host_rsa_key", "ssh-rsa"}};

static void load(struct host_keys *keys, const char *path) {
    struct err err = {0};
    char text[400];
    if (private_key_load(&keys->keys[keys->count], path, &err) == 0) {
        keys->count++;
        return;
    }
    err_text(&err, text, sizeof text);
    log_line(LOG_ERR, "A host key is left out: %s.", text);
}

static int make_folder(const char *folder, struct err *err) {
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return err_disk(err, FAILURE_SYSTEM, "make the folder of the host keys", folder);
    return 0;
}

static int load_own(struct host_keys *keys, const char *folder, struct err *err) {
    char path[PATH_SIZE];
    if (make_folder(folder, err) != 0)
        return -1;
    for (size_t index = 0; index < sizeof own / sizeof own[0]; index++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, own[index].file);
        if (access(path, F_OK) != 0 && errno == ENOENT) {
            if (private_key_make(own[index].type, path, err) != 0)
                return -1;
            log_line(LOG_NOTICE, "Made the host key %s.", path);
        }
        load(keys, path);
    }
    return 0;
}

// "sshd" among the settings' names means sshd's usual files.
static void load_named(struct host_keys *keys, const char *name) {
    char path[PATH_SIZE];
    if (strcmp(name, "sshd") != 0) {
        if (keys->count < MOST_HOST_KEYS)
            load(keys, name);
        return;
    }
    for (size_t index = 0; index < sizeof own / sizeof own[0]; index++) {
        (void)snprintf(path, sizeof path, "/etc/ssh/%s", own[index].file);
        if (access(path, F_OK) == 0 && keys->count < MOST_HOST_KEYS)
            load(keys, path);
    }
}

int host_keys_load(struct host_keys *keys, const struct settings *settings, const char *folder,
                   struct err *err) {
    *keys = (struct host_keys){0};
    if (settings->host_keys[0] == NULL && load_own(keys, folder, err) != 0)
        return -1;
    for (char *const *name = settings->host_keys; *name != NULL; name++)
        load_named(keys, *name);
    return keys->count > 0 ? 0 : err_plain(err, FAILURE_REFUSED, "there is no host key", folder);
}

void host_keys_close(struct host_keys *keys) {
    while (keys->count > 0)
        private_key_close(&keys->keys[--keys->count]);
}
