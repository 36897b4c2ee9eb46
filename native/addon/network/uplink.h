// Tells of changes of the host's network, and asks the kernel for the size of packets of an interface.
#pragma once

#include <node_api.h>

napi_value uplink_watch(napi_env env, napi_callback_info info);
napi_value uplink_changed(napi_env env, napi_callback_info info);
napi_value link_mtu(napi_env env, napi_callback_info info);
