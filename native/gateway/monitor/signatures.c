#include "monitor/signatures.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "monitor/asked.h"
#include "monitor/self.h"

#define LEAST_HASH 20
#define MOST_DATA 8192
#define MOST_NAME 64
#define PROVES "hostkeys-prove-00@openssh.com"
#define MOST_PROOFS 64 // of one connection: clients ask once

// What is signed while keys are exchanged is the exchange's hash, and the first of them is the session's id.
static bool is_hash(struct monitor *monitor, struct bytes data) {
    if (data.length < LEAST_HASH || data.length > SESSION_ID_MOST)
        return false;
    if (monitor->session_id_length == 0) {
        memcpy(monitor->session_id, data.at, data.length);
        monitor->session_id_length = data.length;
    }
    return true;
}

// What tells a client of this session, who has logged in, that a host key is ours (OpenSSH's PROTOCOL,
// section 2.5): nothing that could be taken for something else.
static bool is_proof(struct monitor *monitor, const struct private_key *key, struct bytes data) {
    struct blob_reader reader = blob_open(data);
    struct bytes name = blob_string(&reader), id = blob_string(&reader), blob = blob_string(&reader);
    const struct bytes own = {.at = monitor->session_id, .length = monitor->session_id_length};
    const struct bytes public = {.at = key->blob, .length = key->blob_length};
    return blob_whole(&reader) && monitor->state == STATE_IN && bytes_are(name, PROVES) &&
           bytes_equal(id, own) && bytes_equal(blob, public) && ++monitor->proofs <= MOST_PROOFS;
}

static size_t answer(struct monitor *monitor, const struct asked *asked, uint8_t *bytes, size_t size) {
    uint8_t signature[2048];
    struct wire_writer writer;
    const struct host_keys *keys = monitor->world->host_keys;
    struct bytes data = asked_bytes(asked, TAG_GW_DATA);
    cleanup_free char *name = asked_text(asked, TAG_NAME, MOST_NAME);
    if (monitor->is_web || asked->type != MSG_GW_SIGN || asked->slot >= keys->count || name == NULL ||
        data.length > MOST_DATA)
        return 0;
    const struct private_key *key = &keys->keys[asked->slot];
    if (!is_proof(monitor, key, data) && !is_hash(monitor, data))
        return 0;
    size_t length = private_key_sign(key, name, data, signature, sizeof signature);
    wire_start(&writer, bytes, size, MSG_GW_SIGNED);
    if (length > 0)
        wire_put(&writer, TAG_GW_DATA, signature, length);
    else
        wire_put_u32(&writer, TAG_CODE, 1);
    return wire_finish(&writer, 0);
}

bool signatures_hear(struct monitor *monitor, int socket) {
    static uint8_t bytes[MOST_DATA + 1024];
    struct asked asked;
    int fds[WIRE_MAX_FDS];
    unsigned count = 0;
    ssize_t length = wire_receive(socket, bytes, sizeof bytes, fds, &count);
    for (unsigned index = 0; index < count; index++)
        close_fd(fds[index]);
    if (length == 0)
        monitor_end(monitor);
    if (length < 0 || !asked_open(&asked, bytes, (size_t)length, count))
        return false;
    uint8_t reply[4096];
    size_t made = answer(monitor, &asked, reply, sizeof reply);
    if (made > 0 && wire_send(socket, reply, made, NULL, 0) != 0)
        monitor_end(monitor);
    return made > 0;
}
