#include "serve/client.h"

#include <stdlib.h>

#include "cleanup.h"
#include "serve/lookup.h"

// Of who says nothing, or does not take the answer.
#define CLIENT_PATIENCE (10 * SECONDS)
// While the answer is waited for, which has a time of its own.
#define ANSWER_PATIENCE (60 * SECONDS)

struct client {
    struct watch watch;
    struct sandbox *sandbox;
    struct client *next, **place; // in the sandbox's list
    struct asker asker;
    struct lookup *lookup;
    struct framed framed; // the question, then the answer
    bool answering, waiting;
    struct timer timer;
};

void client_end(struct client *client) {
    struct sandbox *sandbox = client->sandbox;
    if (client->lookup != NULL)
        lookup_drop(client->lookup);
    loop_close(&client->watch);
    timer_clear(&client->timer);
    framed_clear(&client->framed);
    *client->place = client->next;
    if (client->next != NULL)
        client->next->place = client->place;
    if (sandbox->client_count-- == MOST_CLIENTS)
        (void)timer_set(&sandbox->resume, loop_now());
    loop_free_later(client);
}

static void expect(struct client *client, uint32_t events, uint64_t patience) {
    loop_change(&client->watch, events);
    if (!timer_set(&client->timer, loop_now() + patience))
        loop_change(&client->watch, EPOLLIN | EPOLLOUT); // it is looked at again, if only for its end
}

static void is_due(struct timer *timer) {
    struct client *client = OWNER(timer, struct client, timer);
    if (!client->waiting) {
        client_end(client);
        return;
    }
    client->waiting = false;
    expect(client, EPOLLIN, CLIENT_PATIENCE);
}

static void answer(struct asker *asker, const uint8_t *bytes, size_t length) {
    struct client *client = OWNER(asker, struct client, asker);
    client->lookup = NULL;
    framed_clear(&client->framed);
    client->answering = framed_begin(&client->framed, bytes, length);
    expect(client, EPOLLOUT, CLIENT_PATIENCE);
}

static void take_question(struct client *client) {
    struct framed question = client->framed;
    client->framed = (struct framed){0};
    expect(client, 0, ANSWER_PATIENCE);
    client->lookup = lookup_by_tcp(client->sandbox, &client->asker, question.bytes, question.length);
    framed_clear(&question);
    if (client->lookup == NULL && !client->answering)
        client_end(client);
}

static void read_more(struct client *client) {
    uint64_t wait = client->framed.done == 0 ? sandbox_count(client->sandbox) : 0;
    if (client->sandbox->lookup_count >= MOST_LOOKUPS)
        wait = 10 * MILLISECONDS;
    if (wait > 0) {
        client->waiting = true;
        expect(client, 0, wait);
        return;
    }
    switch (framed_read(client->watch.fd, &client->framed, DNS_MOST_QUERY_BYTES)) {
    case FRAMED_BROKEN:
        client_end(client);
        break;
    case FRAMED_WHOLE:
        take_question(client);
        break;
    case FRAMED_MORE:
        break;
    }
}

static void write_more(struct client *client) {
    switch (framed_write(client->watch.fd, &client->framed)) {
    case FRAMED_BROKEN:
        client_end(client);
        break;
    case FRAMED_WHOLE:
        framed_clear(&client->framed);
        client->answering = false;
        expect(client, EPOLLIN, CLIENT_PATIENCE);
        break;
    case FRAMED_MORE:
        break;
    }
}

static void ready(struct watch *watch, uint32_t events) {
    struct client *client = OWNER(watch, struct client, watch);
    if ((events & (EPOLLHUP | EPOLLERR)) != 0)
        client_end(client);
    else if (client->answering)
        write_more(client);
    else
        read_more(client);
}

void client_begin(struct sandbox *sandbox, int fd) {
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        close_fd(fd);
        return;
    }
    client->sandbox = sandbox;
    client->asker.answer = answer;
    client->watch.ready = ready;
    client->timer.due = is_due;
    if (!loop_add(&client->watch, fd, EPOLLIN) || !timer_set(&client->timer, loop_now() + CLIENT_PATIENCE)) {
        loop_close(&client->watch);
        free(client);
        return;
    }
    client->next = sandbox->clients;
    client->place = &sandbox->clients;
    if (client->next != NULL)
        client->next->place = &client->next;
    sandbox->clients = client;
    sandbox->client_count++;
}
