// Mounts users' disk images for the daemon, grows them, and locks their files.
#pragma once

#include <node_api.h>

napi_value disk_lock(napi_env env, napi_callback_info info);
napi_value disk_mount(napi_env env, napi_callback_info info);
napi_value disk_grow(napi_env env, napi_callback_info info);
