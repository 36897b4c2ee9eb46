// Tells JavaScript that a descriptor can be read, through Node's own event loop.
#pragma once

#include <node_api.h>

// poll(fd, () => void): stop(), which must be called before the descriptor is closed
napi_value poller_start(napi_env env, napi_callback_info info);
