// The host keys: those that the settings name, or our own, which are made when there are none.
#pragma once

#include "keys/private.h"
#include "settings.h"

struct host_keys {
    struct private_key keys[MOST_HOST_KEYS];
    size_t count;
};

// `folder`: where our own are. One that can't be read is told of, and left out; -1: there is none left.
int host_keys_load(struct host_keys *keys, const struct settings *settings, const char *folder,
                   struct err *err);
void host_keys_close(struct host_keys *keys);
