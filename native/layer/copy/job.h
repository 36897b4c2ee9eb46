// The jobs `copy` and `follow`.
#pragma once

#include "arguments.h"

int copy_job(const struct arguments *arguments);
// Two passes or more while others are at work in the tree, then the last one, when somebody says so on stdin.
int copy_follow_job(const struct arguments *arguments);
