// Tells of changes of the host's network, and asks the kernel for what an interface is and how large its
// packets may be.
#pragma once

#include <node_api.h>

napi_value uplink_watch(napi_env env, napi_callback_info info);
napi_value uplink_changed(napi_env env, napi_callback_info info);
napi_value link_mtu(napi_env env, napi_callback_info info);
napi_value link_is_bridge(napi_env env, napi_callback_info info);
