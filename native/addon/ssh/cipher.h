// Encrypts and decrypts whole packets of ssh where they lie, by the OpenSSL that the runtime has in itself.
#pragma once

#include <node_api.h>

napi_value gcm_seal(napi_env env, napi_callback_info info);
napi_value gcm_open(napi_env env, napi_callback_info info);
napi_value chacha_seal(napi_env env, napi_callback_info info);
napi_value chacha_length(napi_env env, napi_callback_info info);
napi_value chacha_open(napi_env env, napi_callback_info info);
