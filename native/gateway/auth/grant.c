#include "auth/grant.h"

#include <stdlib.h>
#include <string.h>

bool grant_list_add(struct grant_list *list, char *text) {
    list->given = true;
    if (text == NULL || list->count == MOST_GRANTS) {
        free(text);
        return false;
    }
    list->texts[list->count++] = text;
    return true;
}

static void free_list(struct grant_list *list) {
    while (list->count > 0)
        free(list->texts[--list->count]);
    *list = (struct grant_list){0};
}

void grant_free(struct grant *grant) {
    free(grant->command);
    free_list(&grant->variables);
    free_list(&grant->opens);
    free_list(&grant->listens);
    *grant = (struct grant){0};
}

// Lists that allow are not joined: both would have to.
static bool join_lists(struct grant_list *list, struct grant_list *other) {
    if (list->given && other->given)
        return false;
    if (other->given) {
        *list = *other;
        *other = (struct grant_list){0};
    }
    return true;
}

static bool join_variables(struct grant_list *list, struct grant_list *other) {
    while (other->count > 0)
        if (!grant_list_add(list, other->texts[--other->count]))
            return false;
    return true;
}

static bool join_commands(struct grant *grant, struct grant *other) {
    if (grant->command != NULL && other->command != NULL)
        return strcmp(grant->command, other->command) == 0;
    if (other->command != NULL) {
        grant->command = other->command;
        other->command = NULL;
    }
    return true;
}

bool grant_join(struct grant *grant, struct grant *other) {
    grant->no_pty |= other->no_pty;
    grant->no_agent |= other->no_agent;
    grant->no_x11 |= other->no_x11;
    grant->no_forwarding |= other->no_forwarding;
    bool joined = join_commands(grant, other) && join_lists(&grant->opens, &other->opens) &&
                  join_lists(&grant->listens, &other->listens) &&
                  join_variables(&grant->variables, &other->variables);
    grant_free(other);
    return joined;
}
