#include "auth/auth.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/key.h"
#include "auth/pam.h"
#include "cleanup.h"
#include "log.h"
#include "monitor/self.h"

#define MOST_NAME 255
#define MOST_PASSWORD 1024

// GW_AUTH_ANSWER's CODE.
enum answer { ANSWER_SUCCESS, ANSWER_PARTIAL, ANSWER_FAILURE, ANSWER_WOULD_DO, ANSWER_PROMPTS, ANSWER_END };

void auth_note(struct auth *auth, const char *format, ...) {
    size_t used = strlen(auth->info);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(auth->info + used, sizeof auth->info - used, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof auth->info - used)
        auth->info[used] = '\0'; // a line that has no room is left out as a whole
}

// ---- ways ----------------------------------------------------------------------------------------------

// A browser has no key to show: it can't go a way with one in it to its end.
static bool is_open(const struct monitor *monitor, const struct way *way) {
    for (size_t index = 0; monitor->is_web && index < way->count; index++)
        if (way->steps[index] == METHOD_PUBLICKEY)
            return false;
    return true;
}

static bool is_next(const struct monitor *monitor, enum method method) {
    const struct settings *settings = monitor->world->settings;
    for (size_t index = 0; index < settings->way_count; index++) {
        const struct way *way = &settings->ways[index];
        size_t done = monitor->auth.done[index];
        if (is_open(monitor, way) && done < way->count && way->steps[done] == method)
            return true;
    }
    return false;
}

void auth_methods(const struct monitor *monitor, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (int method = METHOD_PUBLICKEY; method < METHODS; method++)
        if (is_next(monitor, (enum method)method) && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? "," : "",
                                     method_name((enum method)method));
}

// True: one of the ways is gone to its end.
static bool step(struct monitor *monitor, enum method method) {
    const struct settings *settings = monitor->world->settings;
    bool complete = false;
    for (size_t index = 0; index < settings->way_count; index++) {
        const struct way *way = &settings->ways[index];
        size_t *done = &monitor->auth.done[index];
        if (is_open(monitor, way) && *done < way->count && way->steps[*done] == method)
            complete |= ++*done == way->count;
    }
    return complete;
}

// ---- answers -------------------------------------------------------------------------------------------

static void answer(struct monitor *monitor, enum answer code, const char *message) {
    uint8_t bytes[4096];
    char methods[256];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_GW_AUTH_ANSWER);
    wire_put_u32(&writer, TAG_SLOT, monitor->auth.slot);
    wire_put_u32(&writer, TAG_CODE, code);
    auth_methods(monitor, methods, sizeof methods);
    wire_put_text(&writer, TAG_GW_METHODS, methods);
    if (message != NULL)
        wire_put(&writer, TAG_TEXT, message, strnlen(message, 2048));
    monitor_send(monitor, bytes, wire_finish(&writer, 0), NULL, 0);
}

static void fail(struct monitor *monitor, const char *message) {
    struct auth *auth = &monitor->auth;
    if (auth->method != METHOD_NONE) {
        monitor_report(monitor, auth->known ? REPORT_FAILED : REPORT_NOBODY);
        auth->failures++;
    }
    if (auth->failures < monitor->world->settings->tries) {
        answer(monitor, ANSWER_FAILURE, message);
        return;
    }
    log_line(LOG_NOTICE, "%s has failed to log in as %s%s too often.", monitor->address,
             auth->known ? "" : "(no such account) ", auth->user);
    answer(monitor, ANSWER_END, "Too many authentication failures");
}

static void succeed(struct monitor *monitor) {
    struct auth *auth = &monitor->auth;
    log_line(LOG_INFO, "%s has logged in from %s by %s%s.", auth->account.name, monitor->address,
             auth->used_count > 0 ? auth->used_keys[auth->used_count - 1] : method_name(auth->method),
             monitor->is_web ? " at the web page" : "");
    answer(monitor, ANSWER_SUCCESS, NULL);
    monitor_let_in(monitor);
}

// The account itself may have expired, or be kept out (pam_nologin, pam_access …).
static void complete(struct monitor *monitor) {
    struct auth *auth = &monitor->auth;
    if (monitor->world->settings->pam_service == NULL || auth->account_checked) {
        succeed(monitor);
        return;
    }
    monitor->state = STATE_WORKS;
    auth->checking_account = true;
    if (!pam_check_account(monitor))
        auth_later(monitor, OUTCOME_FAILURE, NULL);
}

static void conclude(struct monitor *monitor, enum outcome outcome, const char *message) {
    switch (outcome) {
    case OUTCOME_SUCCESS:
        if (step(monitor, monitor->auth.method))
            complete(monitor);
        else
            answer(monitor, ANSWER_PARTIAL, message);
        break;
    case OUTCOME_WOULD_DO:
        answer(monitor, ANSWER_WOULD_DO, NULL);
        break;
    case OUTCOME_LATER:
        break;
    default:
        fail(monitor, message);
    }
}

void auth_later(struct monitor *monitor, enum outcome outcome, const char *message) {
    struct auth *auth = &monitor->auth;
    monitor->state = STATE_LOGIN;
    if (!auth->checking_account) {
        auth->account_checked = outcome == OUTCOME_SUCCESS;
        conclude(monitor, outcome, message);
        return;
    }
    auth->checking_account = false;
    if (outcome == OUTCOME_SUCCESS) {
        succeed(monitor);
        return;
    }
    log_line(LOG_NOTICE, "PAM does not let %s log in now, who has come from %s.", auth->user,
             monitor->address);
    answer(monitor, ANSWER_END, message != NULL ? message : "This account may not log in now.");
}

// ---- requests ------------------------------------------------------------------------------------------

// False: another one than before.
static bool take_user(struct monitor *monitor, const struct asked *asked) {
    struct auth *auth = &monitor->auth;
    if (auth->user != NULL)
        return asked_says(asked, TAG_USER, auth->user);
    auth->user = asked_text(asked, TAG_USER, MOST_NAME);
    if (auth->user == NULL)
        return false;
    auth->known = account_find(&auth->account, auth->user);
    if (!auth->known)
        log_line(LOG_INFO, "%s asks for %s, whom nobody is or who may not log in.", monitor->address,
                 auth->user);
    return true;
}

static enum outcome attempt(struct monitor *monitor, const struct asked *asked) {
    struct auth *auth = &monitor->auth;
    if (auth->method == METHOD_NONE || !is_next(monitor, auth->method))
        return OUTCOME_FAILURE;
    if (auth->method == METHOD_PUBLICKEY)
        return auth_by_key(monitor, asked);
    if (auth->method == METHOD_KEYBOARD)
        return pam_begin(monitor, NULL) ? OUTCOME_LATER : OUTCOME_FAILURE;
    cleanup_free char *password = asked_text(asked, TAG_TEXT, MOST_PASSWORD);
    enum outcome outcome = password != NULL && pam_begin(monitor, password) ? OUTCOME_LATER : OUTCOME_FAILURE;
    if (password != NULL)
        explicit_bzero(password, strlen(password));
    return outcome;
}

bool auth_request(struct monitor *monitor, const struct asked *asked) {
    struct auth *auth = &monitor->auth;
    struct bytes kind = asked_bytes(asked, TAG_KIND);
    enum method method = method_of((const char *)kind.at, kind.length);
    pam_cancel(monitor); // who asks again does not want the questions any more
    monitor->state = STATE_LOGIN;
    auth->slot = asked->slot;
    auth->method = method;
    if (method == METHODS || (monitor->session_id_length == 0 && !monitor->is_web))
        return false;
    if (!take_user(monitor, asked)) {
        answer(monitor, ANSWER_END, "Change of username is not allowed");
        return true;
    }
    enum outcome outcome = attempt(monitor, asked);
    if (outcome == OUTCOME_BREACH)
        return false;
    if (outcome == OUTCOME_LATER)
        monitor->state = STATE_WORKS;
    conclude(monitor, outcome, NULL);
    return true;
}

bool auth_answers(struct monitor *monitor, const struct asked *asked) {
    monitor->auth.slot = asked->slot;
    monitor->state = STATE_WORKS;
    return pam_answer(monitor, asked);
}

void auth_end(struct auth *auth) {
    free(auth->user);
    account_free(&auth->account);
    grant_free(&auth->grant);
    while (auth->used_count > 0)
        free(auth->used_keys[--auth->used_count]);
}
