// Runs slow work off the main thread and settles a promise with its result.
#pragma once

#include <node_api.h>
#include <stddef.h>

#define LATER_MOST_BYTES 4096

struct later {
    int error;        // errno; 0: it went well
    const char *call; // what failed
    char why[256];    // more than errno tells, where there is more
    void (*run)(struct later *later);
    napi_value (*result)(napi_env env, const struct later *later); // on the main thread; NULL: undefined
    char path[LATER_MOST_BYTES];
    int in, in2; // arguments
    unsigned long long numbers[4];
    int out; // results
    char text[64];
};

// Takes `later` (calloc) and frees it when the promise is settled.
napi_value later_start(napi_env env, struct later *later, const char *name);
struct later *later_new(void (*run)(struct later *later),
                        napi_value (*result)(napi_env env, const struct later *later));
// For `run`: notes errno and what was called.
void later_failed(struct later *later, const char *call);
