// Makes, opens, watches and removes the host's table for private networks, for the daemon.
#pragma once

#include <node_api.h>

// hostTableApply({pools, closed, open, connections}); hostTableOpen(address, on); hostTableRemove()
napi_value host_table_apply_value(napi_env env, napi_callback_info info);
napi_value host_table_open_value(napi_env env, napi_callback_info info);
napi_value host_table_remove_value(napi_env env, napi_callback_info info);
// hostTableWatch(): fd; hostTableChanged(fd): boolean
napi_value host_table_watch_value(napi_env env, napi_callback_info info);
napi_value host_table_changed_value(napi_env env, napi_callback_info info);
