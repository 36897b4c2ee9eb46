#include "poller.h"

#include <stdlib.h>

// libuv's ABI is fixed within its major version, and Node exports it; these few declarations (uv.h)
// save a build dependency on headers that would have to match Node's.
typedef struct uv_loop_s uv_loop_t;
typedef struct uv_handle_s uv_handle_t;
typedef void (*uv_poll_cb)(uv_handle_t *handle, int status, int events);
typedef void (*uv_close_cb)(uv_handle_t *handle);
extern size_t uv_handle_size(int type);
extern int uv_poll_init(uv_loop_t *loop, uv_handle_t *handle, int fd);
extern int uv_poll_start(uv_handle_t *handle, int events, uv_poll_cb callback);
extern void uv_close(uv_handle_t *handle, uv_close_cb callback);
extern void uv_handle_set_data(uv_handle_t *handle, void *data);
extern void *uv_handle_get_data(const uv_handle_t *handle);
#define UV_POLL_TYPE 8
#define UV_READABLE_EVENT 1

struct poller {
    napi_env env;
    napi_ref callback;
    napi_async_context context;
    uv_handle_t *handle; // NULL once stopped
    int events;
};

static void ready(uv_handle_t *handle, int status, int events) {
    struct poller *poller = uv_handle_get_data(handle);
    napi_handle_scope scope;
    napi_value callback, receiver, result, argument;
    // An error shows when the descriptor is used.
    int seen = status < 0 ? poller->events : events;
    if (napi_open_handle_scope(poller->env, &scope) != napi_ok)
        return;
    if (napi_get_reference_value(poller->env, poller->callback, &callback) == napi_ok &&
        napi_get_global(poller->env, &receiver) == napi_ok &&
        napi_create_int32(poller->env, seen, &argument) == napi_ok &&
        napi_make_callback(poller->env, poller->context, receiver, callback, 1, &argument, &result) ==
            napi_pending_exception) {
        napi_value exception;
        if (napi_get_and_clear_last_exception(poller->env, &exception) == napi_ok)
            (void)napi_fatal_exception(poller->env, exception);
    }
    (void)napi_close_handle_scope(poller->env, scope);
}

static void closed(uv_handle_t *handle) {
    free(handle);
}

static void stop(struct poller *poller) {
    if (poller->handle == NULL)
        return;
    uv_close(poller->handle, closed);
    poller->handle = NULL;
    (void)napi_delete_reference(poller->env, poller->callback);
    (void)napi_async_destroy(poller->env, poller->context);
}

static napi_value stop_called(napi_env env, napi_callback_info info) {
    void *data;
    if (napi_get_cb_info(env, info, NULL, NULL, NULL, &data) == napi_ok)
        stop(data);
    return NULL;
}

static void collected(napi_env env, void *data, void *hint) {
    (void)env;
    (void)hint;
    stop(data);
    free(data);
}

napi_value poller_start(napi_env env, napi_callback_info info) {
    napi_value values[3], stopper = NULL, name;
    size_t count = 3;
    int32_t fd, events = UV_READABLE_EVENT;
    uv_loop_t *loop;
    if (napi_get_cb_info(env, info, &count, values, NULL, NULL) != napi_ok || count < 2 ||
        napi_get_value_int32(env, values[0], &fd) != napi_ok ||
        (count > 2 && napi_get_value_int32(env, values[2], &events) != napi_ok) ||
        napi_get_uv_event_loop(env, (struct uv_loop_s **)&loop) != napi_ok) {
        (void)napi_throw_type_error(env, NULL, "expected a descriptor and a function");
        return NULL;
    }
    struct poller *poller = calloc(1, sizeof *poller);
    uv_handle_t *handle = malloc(uv_handle_size(UV_POLL_TYPE));
    if (poller == NULL || handle == NULL || uv_poll_init(loop, handle, fd) != 0) {
        free(poller);
        free(handle);
        (void)napi_throw_error(env, NULL, "this descriptor can't be polled");
        return NULL;
    }
    *poller = (struct poller){.env = env, .handle = handle, .events = events};
    uv_handle_set_data(handle, poller);
    (void)napi_create_reference(env, values[1], 1, &poller->callback);
    (void)napi_create_string_utf8(env, "dockersh:poll", NAPI_AUTO_LENGTH, &name);
    (void)napi_async_init(env, NULL, name, &poller->context);
    (void)napi_create_function(env, "stop", NAPI_AUTO_LENGTH, stop_called, poller, &stopper);
    (void)napi_add_finalizer(env, stopper, poller, collected, NULL, NULL);
    (void)uv_poll_start(handle, events, ready);
    return stopper;
}
