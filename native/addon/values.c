#include "values.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

napi_value throw_errno(napi_env env, const char *syscall_name, const char *object) {
    int number = errno;
    char text[512];
    (void)snprintf(text, sizeof text, "%s%s%s: %s", syscall_name, object[0] != '\0' ? " " : "", object,
                   strerror(number));
    napi_value message, error, value;
    if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message) != napi_ok ||
        napi_create_error(env, NULL, message, &error) != napi_ok)
        return NULL;
    (void)napi_create_string_utf8(env, syscall_name, NAPI_AUTO_LENGTH, &value);
    (void)napi_set_named_property(env, error, "syscall", value);
    (void)napi_create_string_utf8(env, strerrorname_np(number), NAPI_AUTO_LENGTH, &value);
    (void)napi_set_named_property(env, error, "code", value);
    (void)napi_create_int32(env, number, &value);
    (void)napi_set_named_property(env, error, "errno", value);
    (void)napi_throw(env, error);
    return NULL;
}

bool arguments(napi_env env, napi_callback_info info, size_t wanted, napi_value *values) {
    size_t count = wanted;
    if (napi_get_cb_info(env, info, &count, values, NULL, NULL) == napi_ok && count >= wanted)
        return true;
    (void)napi_throw_type_error(env, NULL, "too few arguments");
    return false;
}

bool number_of(napi_env env, napi_value value, int *number) {
    int32_t result;
    if (napi_get_value_int32(env, value, &result) != napi_ok) {
        (void)napi_throw_type_error(env, NULL, "expected a number");
        return false;
    }
    *number = result;
    return true;
}

bool u32_of(napi_env env, napi_value value, uint32_t *number) {
    if (napi_get_value_uint32(env, value, number) == napi_ok)
        return true;
    (void)napi_throw_type_error(env, NULL, "expected a number");
    return false;
}

bool text_of(napi_env env, napi_value value, char *text, size_t size) {
    size_t length;
    if (napi_get_value_string_utf8(env, value, text, size, &length) == napi_ok && length + 1 < size)
        return true;
    (void)napi_throw_type_error(env, NULL, "expected a short string");
    return false;
}

napi_value number_value(napi_env env, double number) {
    napi_value value = NULL;
    (void)napi_create_double(env, number, &value);
    return value;
}

napi_value fd_array(napi_env env, const int *fds, unsigned count) {
    napi_value array = NULL;
    (void)napi_create_array_with_length(env, count, &array);
    for (unsigned index = 0; index < count; index++)
        (void)napi_set_element(env, array, index, number_value(env, fds[index]));
    return array;
}

void set_text(napi_env env, napi_value object, const char *name, const char *text) {
    napi_value value;
    if (napi_create_string_utf8(env, text != NULL ? text : "", NAPI_AUTO_LENGTH, &value) == napi_ok)
        (void)napi_set_named_property(env, object, name, value);
}
