/* SPDX-License-Identifier: Apache-2.0 */
#include "visit.h"

#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

#define VISIT_STACK (256 << 10)

typedef struct Visit {
        Visits *visits;
        int fd;         /* owned; -1: free */
        int64_t active; /* when it last completed a step */
} Visit;

struct Visits {
        const ChannelKey *key;
        EvidenceMaker *maker;
        pthread_attr_t attributes;
        pthread_mutex_t mutex; /* of `items`, except what only the visit's own thread reads */
        pthread_cond_t left;   /* a visit has ended */
        Visit items[VISITS_MAX];
};

Visits *visits_new(const ChannelKey *key, EvidenceMaker *maker)
{
        Visits *visits = calloc(1, sizeof(*visits));

        if (!visits)
                return NULL;
        visits->key = key;
        visits->maker = maker;
        pthread_mutex_init(&visits->mutex, NULL);
        pthread_cond_init(&visits->left, NULL);
        pthread_attr_init(&visits->attributes);
        pthread_attr_setdetachstate(&visits->attributes, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&visits->attributes, VISIT_STACK);
        for (size_t i = 0; i < VISITS_MAX; i++)
                visits->items[i] = (Visit){visits, -1, 0};
        return visits;
}

static void visit_touch(Visit *visit)
{
        pthread_mutex_lock(&visit->visits->mutex);
        visit->active = clock_monotonic_msec();
        pthread_mutex_unlock(&visit->visits->mutex);
}

/* Answers one request. Returns 0 or -errno: the client then goes. */
static int visit_answer(Visit *visit, Channel *channel)
{
        _cleanup_free_ char *line = NULL, *answer = NULL;
        AskRefusal refusal = {};
        AttestSession session;
        size_t size;
        Ask ask;
        int r = channel_read_line(channel, ASK_LINE_MAX, VISIT_REQUEST_MSEC, &line, &size);

        if (r < 0 && r != -EMSGSIZE)
                return r;
        visit_touch(visit);
        if (r == -EMSGSIZE) {
                answer = evidence_error("too-long", NULL, "a request has at most 65536 bytes");
        } else if (ask_parse(line, size, &ask, &refusal) < 0) {
                answer = evidence_error("invalid-request", refusal.field, refusal.message);
        } else {
                channel_get_session(channel, &session);
                memcpy(session.random, ask.random, sizeof(session.random));
                answer = evidence_answer(visit->visits->maker, &ask, &session);
        }
        if (!answer)
                answer = evidence_error("out-of-memory", NULL, "this guest has no memory left");
        if (!answer)
                return -ENOMEM;
        if (channel_write(channel, answer, strlen(answer), VISIT_ANSWER_MSEC) < 0)
                return -ECONNRESET;
        visit_touch(visit);
        return r;
}

static void *visit_run(void *userdata)
{
        Visit *visit = userdata;
        Visits *visits = visit->visits;
        Channel *channel = NULL;
        int r = channel_open(visits->key, visit->fd, VISIT_HANDSHAKE_MSEC, &channel);

        for (int i = 0; i < VISIT_REQUESTS_MAX && r == 0; i++)
                r = visit_answer(visit, channel);
        channel_close(channel);
        pthread_mutex_lock(&visits->mutex);
        close(visit->fd);
        visit->fd = -1;
        pthread_cond_signal(&visits->left);
        pthread_mutex_unlock(&visits->mutex);
        return NULL;
}

/* A free place. While there is none, the one that has been silent for longest is asked to go; its
 * thread ends as soon as it has no work of the TPM's. Called with the lock. */
static Visit *visits_find_place(Visits *visits)
{
        for (;;) {
                Visit *oldest = visits->items;

                for (size_t i = 0; i < VISITS_MAX; i++) {
                        Visit *visit = visits->items + i;

                        if (visit->fd < 0)
                                return visit;
                        if (visit->active < oldest->active)
                                oldest = visit;
                }
                shutdown(oldest->fd, SHUT_RDWR);
                pthread_cond_wait(&visits->left, &visits->mutex);
        }
}

void visits_add(Visits *visits, int fd)
{
        pthread_t thread;
        Visit *visit;

        pthread_mutex_lock(&visits->mutex);
        visit = visits_find_place(visits);
        visit->fd = fd;
        visit->active = clock_monotonic_msec();
        if (pthread_create(&thread, &visits->attributes, visit_run, visit) != 0) {
                close(fd);
                visit->fd = -1;
        }
        pthread_mutex_unlock(&visits->mutex);
}
