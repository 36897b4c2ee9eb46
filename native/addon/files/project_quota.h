// Sets, reads and lifts the project quota of a user's files.
#pragma once

#include <node_api.h>

napi_value project_state(napi_env env, napi_callback_info info);
napi_value project_of(napi_env env, napi_callback_info info);
napi_value project_mark(napi_env env, napi_callback_info info);
napi_value project_limit(napi_env env, napi_callback_info info);
napi_value project_use(napi_env env, napi_callback_info info);
