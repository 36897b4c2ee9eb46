// The gateway's settings: what [gateway] of the policy says, as the daemon passes it on (GW_CONFIG).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

#define MOST_LISTENERS 16
#define MOST_HOST_KEYS 8
#define MOST_KEY_FILES 8
#define MOST_WORDS_OF_COMMAND 16
#define MOST_WAYS 8
#define MOST_STEPS 4

enum method { METHOD_NONE, METHOD_PUBLICKEY, METHOD_PASSWORD, METHOD_KEYBOARD, METHODS };

// Methods that all have to succeed, in this order.
struct way {
    enum method steps[MOST_STEPS];
    size_t count;
};

struct settings {
    char *listen[MOST_LISTENERS + 1]; // ADDRESS:PORT, [ADDRESS]:PORT or PORT; NULL at the end
    char *web[MOST_LISTENERS + 1];    // likewise, of the web page
    char *web_certificate, *web_key;  // files
    char *host_keys[MOST_HOST_KEYS + 1];
    char *key_files[MOST_KEY_FILES +
                    1]; // from the home on, where not absolute; %h, %u and %% stand for what they do in sshd
    char *keys_command[MOST_WORDS_OF_COMMAND +
                       1]; // an absolute path, and arguments with %u, %U, %h, %t, %k, %f, %%
    char *keys_command_user;
    char *ca_keys;         // a file with keys that sign certificates of users
    char *principals_file; // as a key file, with names
    char *revoked_keys;    // a file
    char *pam_service;
    char *banner; // a file
    struct way ways[MOST_WAYS];
    size_t way_count;
    uint32_t tries;       // that may fail, on one connection
    uint32_t grace_s;     // until it has logged in
    uint32_t startups[3]; // from how many on some are refused, with what chance in percent, and all of them
    uint32_t source_most; // of one address or network that have not logged in yet
    uint32_t source_bits[2]; // what counts as one network: of IPv4, and of IPv6
    uint32_t penalties;      // 0: there are none
    uint32_t penalty_max_s;  // an address is kept out for this long at most
    uint32_t penalty_min_s;  // below this it is not kept out yet
    uint32_t spare;          // connection processes that wait
};

// The defaults; NULL: memory is short.
struct settings *settings_new(void);
void settings_free(struct settings *settings);
// Sets one by its name. False: there is none of that name, or it takes no such values.
bool settings_set(struct settings *settings, const char *name, char *const *values, size_t count);
// Those that a GW_CONFIG has, over the defaults; NULL with the first that is wrong in `problem`.
struct settings *settings_of(struct wire_reader reader, char *problem, size_t size);

const char *method_name(enum method method);
// METHODS: none of that name.
enum method method_of(const char *name, size_t length);
