#include "inside/inside.h"

#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "inside/forward/forwards.h"
#include "inside/request.h"
#include "inside/session/sessions.h"

#define TELL "Tell the administrator of this host."

static void refuse(struct inside *inside, const char *why) {
    (void)snprintf(inside->refusal, sizeof inside->refusal, "%s", why);
}

// The folder of the client, which the view has to have.
static void folder_of(const char *path, char *folder, size_t size) {
    const char *slash = strrchr(path, '/');
    int length = slash != NULL && slash > path ? (int)(slash - path) : 1;
    (void)snprintf(folder, size, "%.*s", length, path);
}

static int join(struct inside *inside) {
    const struct login *login = inside->login;
    char address[128] = "", folder[4096];
    struct answer answer;
    (void)sscanf(login->from, "%127s", address);
    folder_of(login->client, folder, sizeof folder);
    const struct question question = {.socket = login->socket,
                                      .user = login->user,
                                      .from = address,
                                      .auth = login->auth,
                                      .entry = login->entry,
                                      .client_folder = folder,
                                      .monitor = inside->place.mount};
    switch (ask(&question, &answer)) {
    case REPLY_JOINED:
        inside->joined = true;
        return place_enter(&inside->place, &answer);
    case REPLY_REFUSED:
        refuse(inside, answer.words);
        return 0;
    case REPLY_OUTSIDE: // the daemon never says it at this socket
        refuse(inside, "This account has no sandbox.");
        return 0;
    case REPLY_NOBODY:
        refuse(inside, "The login service (dockershd) does not answer, so you can't be logged in. " TELL);
        return 0;
    default:
        refuse(inside,
               "The login service (dockershd) does not answer any more, so you can't be logged in. " TELL);
        return 0;
    }
}

int inside_open(struct inside *inside, const struct login *login, int connection) {
    *inside = (struct inside){.login = login, .connection = connection, .forwards = forwards_new()};
    if (inside->forwards == NULL || place_open(&inside->place) != 0)
        return -1;
    if (login->uid == 0) {
        refuse(inside, "root has no sandbox.");
        return 0;
    }
    return join(inside);
}

int inside_hear(struct inside *inside, const uint8_t *bytes, size_t length) {
    static struct request request;
    int heard = -1;
    if (request_read(&request, bytes, length))
        heard = request.type == MSG_GW_SESSION ? sessions_start(inside, &request)
                : request.type == MSG_GW_TELL  ? sessions_tell(inside, &request)
                                               : forwards_hear(inside, &request, bytes, length);
    request_free(&request);
    return heard;
}

int inside_poll(const struct inside *inside) {
    return forwards_poll(inside->forwards);
}

int inside_ready(struct inside *inside) {
    return forwards_ready(inside);
}

int inside_reap(struct inside *inside) {
    forwards_reap(inside);
    return sessions_reap(inside);
}

void inside_close(struct inside *inside) {
    forwards_close(inside);
    place_close(&inside->place);
}
