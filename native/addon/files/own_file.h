// Reads a user's own settings: what lies in their home is theirs, so it is read with their rights.
#pragma once

#include <node_api.h>

// readOwnFile(home, name, uid, gid, mostBytes, strict): Promise<{data?: Buffer, problem?: string} | null>
napi_value read_own_file(napi_env env, napi_callback_info info);
