// Serves those who ask by TCP: one question at a time, any number one after the other.
#pragma once

#include "serve/sandbox.h"

// Takes the connection.
void client_begin(struct sandbox *sandbox, int fd);
void client_end(struct client *client);
