// The messages between client, daemon and supervisor: docs/protocol.md describes them field by
// field, src/lib/wire.ts is the other side. One message is one SOCK_SEQPACKET datagram: a
// header, then a list of fields. Every integer is little-endian (the host's own order: the socket
// never leaves the machine, and only little-endian machines are supported).
//
//   header  u32 magic+version, u16 type, u16 number of fds, u32 length of what follows
//   field   u32 tag, u32 length, then `length` bytes
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

#define WIRE_MAGIC 0x01485344u // "DSH" and version 1
#define WIRE_HEADER_BYTES 12
#define WIRE_FIELD_BYTES 8
// Below the default send buffer of a unix socket (212992), so that a message always fits, and above
// what one argument of execve() can hold (131072): no command that ssh can carry is too long.
#define WIRE_MAX_BYTES (196 * 1024)
#define WIRE_MAX_FDS 8

enum wire_type {
    // login client -> daemon
    MSG_LOGIN = 1,
    // daemon or supervisor -> login client
    MSG_STARTED = 2,
    MSG_EXIT = 3,
    MSG_ERROR = 4,
    MSG_OUTSIDE = 5,
    MSG_WAIT = 7,
    MSG_NOTICE = 8,
    MSG_REPORT = 14,
    // module in sshd -> daemon, and to the supervisor with the connection
    MSG_JOIN = 9,
    // supervisor -> module in sshd
    MSG_JOINED = 10,
    // login client -> supervisor
    MSG_SIGNAL = 6,
    // daemon -> supervisor
    MSG_PREPARE = 16,
    MSG_SANDBOX = 17,
    MSG_SESSION = 18,
    MSG_STOP = 19,
    MSG_HELLO = 20,
    MSG_PAUSE = 21,
    MSG_RENEW = 22,
    MSG_NETWORK = 23,
    MSG_COUNT_TRAFFIC = 24,
    MSG_SAY = 25,
    MSG_CONNECTION = 26,
    MSG_KEEP = 27,
    MSG_DETACH = 28,
    MSG_ANSWER = 30,
    // supervisor -> daemon
    MSG_ASKED = 31,
    MSG_READY = 32,
    MSG_FAILED = 33,
    MSG_ACCEPTED = 34,
    MSG_REFUSED = 35,
    MSG_SESSION_ENDED = 36,
    MSG_STATE = 37,
    MSG_STOPPING = 38,
    MSG_PAUSED = 39,
    MSG_LEFT = 40,
    MSG_NETWORK_SET = 41,
    MSG_NETWORK_REFUSED = 42,
    MSG_TRAFFIC = 43,
    MSG_CONNECTION_ENDED = 44,
    MSG_PORTS_MISSING = 45,
    MSG_DETACHED = 46,
    MSG_ATTACHED = 47,
    // daemon -> launcher
    MSG_FORK = 48,
    MSG_DISCARD = 49,
    MSG_LET_GO = 50,
    // supervisor -> relay
    MSG_RELAY_SERVE = 56,
    MSG_RELAY_PINNED = 57,
    // relay -> supervisor
    MSG_RELAY_PIN = 58,
    // supervisor -> publisher
    MSG_PUBLISH = 59,
    MSG_UNPUBLISH = 60,
    // inside the supervisor: supervisor <-> spawner and init
    MSG_BUILD = 64,
    MSG_ENTER = 65,
    MSG_STEP = 66,
    MSG_TERMINAL = 67,
    MSG_SESSION_LEFT = 68,
    // supervisor -> keeper
    MSG_KEEPER_VIEWER = 69,
    MSG_KEEPER_END = 70,
    MSG_KEEPER_SCREEN = 71,
    // keeper -> supervisor
    MSG_KEEPER_WANTS_SCREEN = 72,
    MSG_KEEPER_RECORDING = 76,
};

enum wire_tag {
    TAG_ARG = 1,
    TAG_ENV = 2,
    TAG_UMASK = 3,
    TAG_TIME = 4,
    TAG_EXEC_PATH = 5,
    TAG_USER = 6,
    TAG_TEXT = 10,
    TAG_CODE = 11,
    TAG_KIND = 12,
    TAG_TTY = 13,
    TAG_SIGNAL = 14,
    TAG_ID = 20,
    TAG_SHELL = 21,
    TAG_CWD = 22,
    TAG_UID = 23,
    TAG_GID = 24,
    TAG_GROUPS = 25,
    TAG_RLIMIT = 26,
    TAG_SLOT = 27,
    TAG_PID = 28,
    TAG_STEPS = 29,
    TAG_NAME = 30,
    TAG_UID_MAP = 31,
    TAG_GID_MAP = 32,
    TAG_LAYER = 33,
    TAG_PLAIN_LAYER = 34,
    TAG_UPPER = 35,
    TAG_BIND = 37,
    TAG_HOSTNAME = 38,
    TAG_NETWORK = 39,
    TAG_TMP_BYTES = 40,
    TAG_LINGER_MS = 41,
    TAG_HANGUP_GRACE_MS = 42,
    TAG_STOP_GRACE_MS = 43,
    TAG_BACKGROUND_KILL = 44,
    TAG_CONTROL = 45,
    TAG_CGROUP = 46,
    TAG_CGROUP_WRITE = 47,
    TAG_CGROUP_KIND = 48,
    TAG_SESSION = 49,
    TAG_STATE = 50,
    TAG_ROOT_IDS = 51,
    TAG_MOUNTPOINT = 52,
    TAG_PAUSE_MS = 53,
    TAG_NICE = 54,
    TAG_MOST_SESSIONS = 55,
    TAG_SESSION_MS = 56,
    TAG_IDLE_MS = 57,
    TAG_BANNER = 58,
    TAG_SHM_BYTES = 59,
    TAG_MOUNT = 60,
    TAG_DISK = 61,
    TAG_DEVICE = 64,
    TAG_ROOT = 65,
    TAG_NESTING = 66,
    TAG_DELEGATED = 67,
    TAG_FILTER = 70,
    TAG_FILTERS_ALONE = 71,
    TAG_FAILURE = 72,
    TAG_CGROUP_LIFT = 73,
    TAG_CAUSE = 74,
    TAG_RUN_FOLDER = 75,
    // Of a private network.
    TAG_NET_LINK = 80,
    TAG_NET_ADDRESS = 81,
    TAG_NET_RESOLVER = 82,
    TAG_NET_POOL = 83,
    TAG_NET_HOST = 84,
    TAG_NET_MTU = 85,
    TAG_NET_RATE = 86,
    TAG_NET_CONNECTIONS = 87,
    TAG_NET_NEW_CONNECTIONS = 88,
    TAG_NET_RULE = 89,
    TAG_NET_DNS = 90,
    TAG_NET_RELAY = 91,
    TAG_NET_PUBLISH = 92,
    TAG_NET_PEER = 93,
    TAG_NET_REFUSED = 94,
    TAG_NET_TRAFFIC = 95,
    TAG_NET_PIN = 96,
    TAG_NET_RESOLV_CONF = 97,
    TAG_NET_STRICT = 98,
    TAG_NET_MISSING = 99,
    // Of a connection of sshd's.
    TAG_FROM = 101,
    TAG_AUTH = 102,
    TAG_ACCOUNT = 103,
    TAG_ACCOUNT_GROUP = 104,
    TAG_HOME_INSIDE = 105,
    TAG_CLIENT_FOLDER = 106,
    TAG_RUN = 107,
    TAG_CONNECTION_OPEN = 108,
    TAG_USED = 109,
    // Of a kept session, and of those who look at it.
    TAG_KEEP_MS = 110,
    TAG_KEEPER = 111,
    TAG_TARGET = 112,
    TAG_VIEW = 113,
    TAG_MOST_KEPT = 114,
    TAG_SESSION_KEPT = 115,
    TAG_VIEWER = 116,
    TAG_OFFER = 117,
    TAG_WORK = 120,
    TAG_WORK_NAME = 121,
    TAG_ANSWER = 122,
    // Of a recording.
    TAG_RECORD = 130,
    TAG_RECORD_TITLE = 131,
    TAG_RECORD_TERM = 132,
    TAG_TELLS = 133,
};

// TAG_RECORD.
enum record_number { RECORD_VERSION, RECORD_FLAGS, RECORD_BYTES, RECORD_STARTED, RECORD_NUMBERS };
enum record_flag {
    RECORD_INPUT = 1,
    RECORD_REFUSES = 2, // what can't be recorded is not to be shown
};

// Whether the field is part of a network's plan (network/plan.h).
static inline bool wire_is_network(uint32_t tag) {
    return (tag >= TAG_NET_LINK && tag <= TAG_NET_PEER) || tag == TAG_NET_RESOLV_CONF ||
           tag == TAG_NET_STRICT;
}

struct wire_writer {
    uint8_t *bytes;
    size_t size;
    size_t used;
    bool overflow;
};

// Starts a message in `bytes`; wire_finish() returns its length, or 0 where it did not fit.
void wire_start(struct wire_writer *writer, uint8_t *bytes, size_t size, enum wire_type type);
void wire_put(struct wire_writer *writer, enum wire_tag tag, const void *value, size_t length);
void wire_put_text(struct wire_writer *writer, enum wire_tag tag, const char *text);
void wire_put_u32(struct wire_writer *writer, enum wire_tag tag, uint32_t value);
void wire_put_u64(struct wire_writer *writer, enum wire_tag tag, uint64_t value);
size_t wire_finish(struct wire_writer *writer, unsigned fd_count);
// Makes a finished message one of another type, with the same fields.
void wire_retype(uint8_t *bytes, enum wire_type type);

struct wire_field {
    uint32_t tag;
    uint32_t length;
    const uint8_t *value;
};

struct wire_reader {
    uint16_t type;
    uint16_t fd_count;
    const uint8_t *at;
    const uint8_t *end;
};

// Checks the header and that the fields fill the message exactly. False: not a message of ours.
bool wire_open(struct wire_reader *reader, const uint8_t *bytes, size_t length);
// The header alone, for who goes through the fields anyway and then finds out whether `at` is `end`.
bool wire_open_header(struct wire_reader *reader, const uint8_t *bytes, size_t length);
// The next field, or false at the end.
bool wire_next(struct wire_reader *reader, struct wire_field *field);
// The value as a number; false where its length is another.
bool wire_u32(const struct wire_field *field, uint32_t *value);
bool wire_u64(const struct wire_field *field, uint64_t *value);
// The value as a list of numbers; false where it is none or has more than `most`.
bool wire_u32s(const struct wire_field *field, uint32_t *values, size_t most, size_t *count);
// A fresh NUL-terminated copy, or NULL where the value holds a NUL or memory is short.
char *wire_text(const struct wire_field *field);

// Sends one message with descriptors. Returns 0, or -1 with errno.
int wire_send(int socket, const uint8_t *bytes, size_t length, const int *fds, unsigned fd_count);

// Looks at the next message and leaves it where it is, descriptors included. As wire_receive.
ssize_t wire_peek(int socket, uint8_t *bytes, size_t size);

// Receives one message; the descriptors arrive close-on-exec. Returns its length, 0 at the peer's
// end, -1 with errno (EAGAIN where nothing is there; EBADMSG where the message was truncated or the
// descriptors are not as many as the header declares: all of them have been closed by then).
ssize_t wire_receive(int socket, uint8_t *bytes, size_t size, int *fds, unsigned *fd_count);
