// Asks inotify(7) for changes, instead of being told by events. A question finds every change that was made
// before it.
#pragma once

#include <node_api.h>

// watchOpen(): fd
napi_value watch_open(napi_env env, napi_callback_info info);
// watchAdd(fd, path): false where it can't be watched
napi_value watch_add(napi_env env, napi_callback_info info);
// watchDrain(fd): whether anything has happened since it was last asked
napi_value watch_drain(napi_env env, napi_callback_info info);
