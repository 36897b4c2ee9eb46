// Numbers of the messages' types and of their fields' tags (docs/protocol.md, sections 3 and 4);
// src/lib/values/wire-numbers.ts has the same.
#pragma once

#include <stdbool.h>
#include <stdint.h>

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
    MSG_TOUCH = 29,
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
    // daemon -> launcher: what says the sandbox's own numbers (supervisor/figures)
    MSG_WATCH_FIGURES = 80,
    // their watcher -> daemon, and back; daemon -> supervisor
    MSG_FIGURES = 81,
    // their watcher -> daemon
    MSG_FIGURES_WATCHER = 82,
    // between a connection process of the gateway and its monitor
    MSG_GW_CLIENT = 86,
    MSG_GW_SIGN = 87,
    MSG_GW_SIGNED = 88,
    MSG_GW_AUTH = 89,
    MSG_GW_ANSWERS = 90,
    MSG_GW_AUTH_ANSWER = 91,
    MSG_GW_SESSION = 92,
    MSG_GW_STARTED = 93,
    MSG_GW_TELL = 94,
    MSG_GW_ENDED = 95,
    MSG_GW_CONNECT = 96,
    MSG_GW_LISTEN = 97,
    MSG_GW_OPENED = 98,
    MSG_GW_CLOSE = 99,
    // daemon -> gateway, as a file
    MSG_GW_CONFIG = 100,
    // daemon -> supervisor
    MSG_DISCONNECT = 102,
    // supervisor -> daemon
    MSG_RECORDING = 103,
    // gateway's monitor -> supervisor -> daemon
    MSG_FORWARD = 104,
    // connection -> monitor
    MSG_GW_SERVED = 180,
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
    TAG_TAKES = 134,
    // Of lxcfs.
    TAG_FIGURES_OF = 140,
    TAG_FIGURE = 141,
    TAG_OWN_SYSINFO = 142,
    // Of the gateway.
    TAG_GW_KEY = 155,
    TAG_GW_DATA = 156,
    TAG_GW_SIGNATURE = 157,
    TAG_GW_METHODS = 158,
    TAG_GW_PROMPT = 159,
    TAG_GW_TERM = 160,
    TAG_GW_SIZE = 161,
    TAG_GW_MODES = 162,
    TAG_GW_AGENT = 163,
    TAG_GW_X11 = 164,
    TAG_GW_PORT = 165,
    TAG_GW_CORE = 166,
    TAG_GW_SETTING = 167,
    TAG_GW_ENTRY = 180,
    TAG_FORWARD_LISTENS = 220,
    TAG_COUNT = 221,
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
