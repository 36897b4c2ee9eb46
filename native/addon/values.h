// Reads and makes JavaScript's values. Reading one throws where it is of another kind.
#pragma once

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Throws an Error for errno and returns NULL. `object` is what the call was about, or empty.
napi_value throw_errno(napi_env env, const char *syscall_name, const char *object);
bool arguments(napi_env env, napi_callback_info info, size_t wanted, napi_value *values);
bool number_of(napi_env env, napi_value value, int *number);
bool u32_of(napi_env env, napi_value value, uint32_t *number);
bool text_of(napi_env env, napi_value value, char *text, size_t size);
napi_value number_value(napi_env env, double number);
napi_value fd_array(napi_env env, const int *fds, unsigned count);
// Sets a property; NULL counts as an empty text.
void set_text(napi_env env, napi_value object, const char *name, const char *text);
