// Asks the kernel what the other end of a TCP connection of this host's owes (sock_diag(7)).
#pragma once

#include <node_api.h>

napi_value tcp_state(napi_env env, napi_callback_info info);
