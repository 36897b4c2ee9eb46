// Sets the size of a terminal whose master is ours.
#pragma once

#include <node_api.h>

napi_value resize_terminal(napi_env env, napi_callback_info info);
