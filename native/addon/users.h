// Looks up users and their groups off the main thread: a directory service may take its time.
#pragma once

#include <node_api.h>

// lookupUser(uid | name): Promise<record | null>
napi_value lookup_user(napi_env env, napi_callback_info info);
