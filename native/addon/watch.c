#include "watch.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <sys/types.h>
#include <unistd.h>

static const uint32_t changes = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO |
                                IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;

static bool number_of(napi_env env, napi_value value, int *number) {
    return napi_get_value_int32(env, value, number) == napi_ok;
}

napi_value watch_open(napi_env env, napi_callback_info info) {
    (void)info;
    napi_value value = NULL;
    (void)napi_create_int32(env, inotify_init1(IN_CLOEXEC | IN_NONBLOCK), &value); // -1: there can't be one
    return value;
}

napi_value watch_add(napi_env env, napi_callback_info info) {
    napi_value values[2], result = NULL;
    size_t count = 2, length;
    char path[4096];
    int fd;
    bool added = napi_get_cb_info(env, info, &count, values, NULL, NULL) == napi_ok && count == 2 &&
                 number_of(env, values[0], &fd) &&
                 napi_get_value_string_utf8(env, values[1], path, sizeof path, &length) == napi_ok &&
                 length + 1 < sizeof path && inotify_add_watch(fd, path, changes) >= 0;
    (void)napi_get_boolean(env, added, &result);
    return result;
}

napi_value watch_drain(napi_env env, napi_callback_info info) {
    napi_value values[1], result = NULL;
    size_t count = 1;
    char events[16384];
    int fd;
    bool any = false;
    if (napi_get_cb_info(env, info, &count, values, NULL, NULL) == napi_ok && count == 1 &&
        number_of(env, values[0], &fd)) {
        while (read(fd, events, sizeof events) > 0)
            any = true;
    }
    (void)napi_get_boolean(env, any, &result);
    return result;
}
