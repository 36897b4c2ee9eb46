// Gives a name to a file that was written without one (O_TMPFILE).
#pragma once

#include <node_api.h>

napi_value give_name(napi_env env, napi_callback_info info);
