#include "users.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "values.h"

#define MAX_GROUPS 256
#define RECORD_BYTES (256 * 1024)

struct lookup {
    napi_async_work work;
    napi_deferred deferred;
    bool by_name;
    char name[257]; // as long as an account's can be, which isolation/users.ts sees to
    uid_t uid;
    int error; // errno, or 0; ENOENT: no such user
    struct passwd record;
    char *strings;
    gid_t groups[MAX_GROUPS];
    int group_count;
    char *group_names[MAX_GROUPS];
};

static void look_up_groups(struct lookup *lookup) {
    lookup->group_count = MAX_GROUPS;
    if (getgrouplist(lookup->record.pw_name, lookup->record.pw_gid, lookup->groups, &lookup->group_count) < 0)
        lookup->group_count = MAX_GROUPS; // more than we take; the first ones are what it filled
    char *buffer = malloc(RECORD_BYTES);
    for (int index = 0; buffer != NULL && index < lookup->group_count; index++) {
        struct group record, *found = NULL;
        if (getgrgid_r(lookup->groups[index], &record, buffer, RECORD_BYTES, &found) == 0 && found != NULL)
            lookup->group_names[index] = strdup(record.gr_name);
    }
    free(buffer);
}

static void look_up(napi_env env, void *data) {
    (void)env;
    struct lookup *lookup = data;
    struct passwd *found = NULL;
    lookup->strings = malloc(RECORD_BYTES);
    if (lookup->strings == NULL) {
        lookup->error = ENOMEM;
        return;
    }
    lookup->error = lookup->by_name
                        ? getpwnam_r(lookup->name, &lookup->record, lookup->strings, RECORD_BYTES, &found)
                        : getpwuid_r(lookup->uid, &lookup->record, lookup->strings, RECORD_BYTES, &found);
    if (lookup->error == 0 && found == NULL)
        lookup->error = ENOENT;
    if (lookup->error == 0)
        look_up_groups(lookup);
}

static napi_value user_record(napi_env env, const struct lookup *lookup) {
    napi_value result = NULL, groups, group;
    (void)napi_create_object(env, &result);
    set_text(env, result, "name", lookup->record.pw_name);
    set_text(env, result, "home", lookup->record.pw_dir);
    set_text(env, result, "shell", lookup->record.pw_shell);
    set_text(env, result, "gecos", lookup->record.pw_gecos);
    (void)napi_set_named_property(env, result, "uid", number_value(env, lookup->record.pw_uid));
    (void)napi_set_named_property(env, result, "gid", number_value(env, lookup->record.pw_gid));
    (void)napi_create_array(env, &groups);
    for (int index = 0; index < lookup->group_count; index++) {
        (void)napi_create_object(env, &group);
        (void)napi_set_named_property(env, group, "gid", number_value(env, lookup->groups[index]));
        set_text(env, group, "name", lookup->group_names[index]);
        (void)napi_set_element(env, groups, (uint32_t)index, group);
    }
    (void)napi_set_named_property(env, result, "groups", groups);
    return result;
}

static void looked_up(napi_env env, napi_status status, void *data) {
    struct lookup *lookup = data;
    napi_value result = NULL;
    if (status == napi_ok && lookup->error == 0) {
        (void)napi_resolve_deferred(env, lookup->deferred, user_record(env, lookup));
    } else if (lookup->error == ENOENT || lookup->error == ESRCH) {
        (void)napi_get_null(env, &result);
        (void)napi_resolve_deferred(env, lookup->deferred, result);
    } else {
        napi_value message;
        char text[128];
        (void)snprintf(text, sizeof text, "look up user: %s", strerror(lookup->error));
        (void)napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message);
        (void)napi_create_error(env, NULL, message, &result);
        (void)napi_reject_deferred(env, lookup->deferred, result);
    }
    (void)napi_delete_async_work(env, lookup->work);
    for (int index = 0; index < lookup->group_count; index++)
        free(lookup->group_names[index]);
    free(lookup->strings);
    free(lookup);
}

napi_value lookup_user(napi_env env, napi_callback_info info) {
    napi_value values[1], promise = NULL, name;
    napi_valuetype type;
    if (!arguments(env, info, 1, values))
        return NULL;
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return throw_errno(env, "calloc", "");
    (void)napi_typeof(env, values[0], &type);
    lookup->by_name = type == napi_string;
    bool good = lookup->by_name ? text_of(env, values[0], lookup->name, sizeof lookup->name)
                                : napi_get_value_uint32(env, values[0], &lookup->uid) == napi_ok;
    if (!good || napi_create_promise(env, &lookup->deferred, &promise) != napi_ok ||
        napi_create_string_utf8(env, "lookupUser", NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_create_async_work(env, NULL, name, look_up, looked_up, lookup, &lookup->work) != napi_ok ||
        napi_queue_async_work(env, lookup->work) != napi_ok) {
        free(lookup);
        return NULL;
    }
    return promise;
}
