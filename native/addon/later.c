#include "later.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pending {
    struct later *later;
    napi_async_work work;
    napi_deferred deferred;
};

struct later *later_new(void (*run)(struct later *later),
                        napi_value (*result)(napi_env env, const struct later *later)) {
    struct later *later = calloc(1, sizeof *later);
    if (later != NULL)
        *later = (struct later){.run = run, .result = result, .in = -1, .in2 = -1, .out = -1};
    return later;
}

void later_failed(struct later *later, const char *call) {
    later->error = errno;
    later->call = call;
}

static napi_value error_of(napi_env env, const struct later *later) {
    napi_value message, error = NULL, value;
    char text[512];
    (void)snprintf(text, sizeof text, "%s: %s%s%s%s", later->call, strerror(later->error),
                   later->why[0] != '\0' ? " (" : "", later->why, later->why[0] != '\0' ? ")" : "");
    if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message) != napi_ok ||
        napi_create_error(env, NULL, message, &error) != napi_ok)
        return NULL;
    (void)napi_create_string_utf8(env, strerrorname_np(later->error), NAPI_AUTO_LENGTH, &value);
    (void)napi_set_named_property(env, error, "code", value);
    (void)napi_create_string_utf8(env, later->call, NAPI_AUTO_LENGTH, &value);
    (void)napi_set_named_property(env, error, "syscall", value);
    (void)napi_create_int32(env, later->error, &value);
    (void)napi_set_named_property(env, error, "errno", value);
    return error;
}

static void perform(napi_env env, void *data) {
    (void)env;
    struct pending *pending = data;
    pending->later->run(pending->later);
}

static void finish(napi_env env, napi_status status, void *data) {
    struct pending *pending = data;
    struct later *later = pending->later;
    if (status != napi_ok && later->error == 0) {
        later->error = ECANCELED;
        later->call = "work";
    }
    if (later->error != 0) {
        (void)napi_reject_deferred(env, pending->deferred, error_of(env, later));
    } else {
        napi_value result = NULL;
        if (later->result != NULL)
            result = later->result(env, later);
        else
            (void)napi_get_undefined(env, &result);
        (void)napi_resolve_deferred(env, pending->deferred, result);
    }
    (void)napi_delete_async_work(env, pending->work);
    free(later);
    free(pending);
}

napi_value later_start(napi_env env, struct later *later, const char *name) {
    napi_value promise = NULL, label;
    struct pending *pending = calloc(1, sizeof *pending);
    if (pending != NULL)
        pending->later = later;
    if (pending == NULL || napi_create_promise(env, &pending->deferred, &promise) != napi_ok ||
        napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &label) != napi_ok ||
        napi_create_async_work(env, NULL, label, perform, finish, pending, &pending->work) != napi_ok ||
        napi_queue_async_work(env, pending->work) != napi_ok) {
        free(later);
        free(pending);
        (void)napi_throw_error(env, NULL, "no memory");
        return NULL;
    }
    return promise;
}
