#include "network/host_table.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "host/table.h"
#include "nft/batch.h"
#include "values.h"
#include "words.h"

// Above what a sandbox's own rules may let through by default, so that it is they that answer.
#define CONNECTIONS 16384

// Whose the table is, for as long as the daemon lives.
static int owner = -1;

static napi_value throw_err(napi_env env, const struct err *err) {
    errno = err->number == 0 ? ENOMEM : err->number;
    return throw_errno(env, err->what, err->object);
}

static bool open_owner(struct err *err) {
    if (owner < 0)
        owner = nft_open(err);
    return owner >= 0;
}

static bool list_of(napi_env env, napi_value object, const char *name, napi_value *list, uint32_t *count) {
    if (napi_get_named_property(env, object, name, list) == napi_ok &&
        napi_get_array_length(env, *list, count) == napi_ok)
        return true;
    (void)napi_throw_type_error(env, NULL, "expected a list");
    return false;
}

static bool entry_of(napi_env env, napi_value list, uint32_t index, char *text, size_t size) {
    napi_value value;
    return napi_get_element(env, list, index, &value) == napi_ok && text_of(env, value, text, size);
}

static bool prefix_value(napi_env env, char *text, struct net_prefix *prefix) {
    if (range_of(text, prefix))
        return true;
    (void)napi_throw_type_error(env, NULL, "expected an address");
    return false;
}

static bool take_pools(napi_env env, napi_value object, struct host_table *table) {
    napi_value list;
    uint32_t count;
    char text[64];
    struct net_prefix pool;
    if (!list_of(env, object, "pools", &list, &count))
        return false;
    for (uint32_t index = 0; index < count; index++) {
        if (!entry_of(env, list, index, text, sizeof text) || !prefix_value(env, text, &pool))
            return false;
        *(pool.family == AF_INET ? &table->pool4 : &table->pool6) = pool;
    }
    return true;
}

// The list is the caller's to free.
static bool take_open(napi_env env, napi_value object, struct net_prefix **open, uint32_t *count) {
    napi_value list;
    char text[64];
    if (!list_of(env, object, "open", &list, count))
        return false;
    *open = calloc(*count + 1, sizeof **open);
    for (uint32_t index = 0; index < *count; index++) {
        if (*open == NULL || !entry_of(env, list, index, text, sizeof text) ||
            !prefix_value(env, text, &(*open)[index]))
            return false;
    }
    return *open != NULL;
}

static bool take_closed(napi_env env, napi_value object, char (**names)[IF_NAMESIZE], const char ***closed,
                        uint32_t *count) {
    napi_value list;
    if (!list_of(env, object, "closed", &list, count))
        return false;
    *names = calloc(*count + 1, sizeof **names);
    *closed = calloc(*count + 1, sizeof **closed);
    if (*names == NULL || *closed == NULL)
        return false;
    for (uint32_t index = 0; index < *count; index++) {
        if (!entry_of(env, list, index, (*names)[index], sizeof(*names)[index]))
            return false;
        (*closed)[index] = (*names)[index];
    }
    return true;
}

static bool take_connections(napi_env env, napi_value object, uint32_t *connections) {
    napi_value value;
    napi_valuetype type;
    int number;
    if (napi_get_named_property(env, object, "connections", &value) != napi_ok ||
        napi_typeof(env, value, &type) != napi_ok || type == napi_undefined)
        return true;
    if (!number_of(env, value, &number))
        return false;
    *connections = number > 0 ? (uint32_t)number : CONNECTIONS;
    return true;
}

napi_value host_table_apply_value(napi_env env, napi_callback_info info) {
    napi_value values[1];
    struct host_table table = {.connections = CONNECTIONS};
    struct err err = {0};
    cleanup_free struct net_prefix *open = NULL;
    cleanup_free char(*names)[IF_NAMESIZE] = NULL;
    cleanup_free const char **closed = NULL;
    uint32_t open_count, closed_count;
    if (!arguments(env, info, 1, values) || !take_pools(env, values[0], &table) ||
        !take_connections(env, values[0], &table.connections) ||
        !take_open(env, values[0], &open, &open_count) ||
        !take_closed(env, values[0], &names, &closed, &closed_count))
        return NULL;
    table.open = open;
    table.open_count = open_count;
    table.closed = closed;
    table.closed_count = closed_count;
    if (!open_owner(&err) || host_table_apply(owner, &table, &err) != 0)
        return throw_err(env, &err);
    return NULL;
}

napi_value host_table_open_value(napi_env env, napi_callback_info info) {
    napi_value values[2];
    char text[64];
    bool on;
    struct net_prefix address;
    struct err err = {0};
    if (!arguments(env, info, 2, values) || !text_of(env, values[0], text, sizeof text) ||
        !prefix_value(env, text, &address) || napi_get_value_bool(env, values[1], &on) != napi_ok)
        return NULL;
    if (!open_owner(&err) || host_table_open(owner, &address, on, &err) != 0)
        return throw_err(env, &err);
    return NULL;
}

napi_value host_table_remove_value(napi_env env, napi_callback_info info) {
    (void)info;
    struct err err = {0};
    if (!open_owner(&err) || host_table_remove(owner, &err) != 0)
        return throw_err(env, &err);
    close_fd_at(&owner);
    return NULL;
}

napi_value host_table_watch_value(napi_env env, napi_callback_info info) {
    (void)info;
    struct err err = {0};
    int fd = host_table_watch(&err);
    return fd < 0 ? throw_err(env, &err) : number_value(env, fd);
}

napi_value host_table_changed_value(napi_env env, napi_callback_info info) {
    napi_value values[1], result = NULL;
    int fd;
    if (!arguments(env, info, 1, values) || !number_of(env, values[0], &fd))
        return NULL;
    (void)napi_get_boolean(env, host_table_changed(fd, owner), &result);
    return result;
}
