/* SPDX-License-Identifier: Apache-2.0 */
#include "turns.h"

#include "base/macros.h"

struct Turns {
        uv_loop_t *loop;
        bool closed;
        TAILQ_HEAD(, Turn) all;
};

Turns *turns_new(uv_loop_t *loop)
{
        Turns *turns = calloc(1, sizeof(*turns));

        if (!turns)
                return NULL;
        turns->loop = loop;
        TAILQ_INIT(&turns->all);
        return turns;
}

void turns_close(Turns *turns)
{
        Turn *turn;

        turns->closed = true;
        do {
                TAILQ_FOREACH (turn, &turns->all, entry)
                        if (!turn->works)
                                break;
                if (turn) {
                        TAILQ_REMOVE(&turns->all, turn, entry);
                        turn->done(turn);
                }
        } while (turn);
}

Turns *turns_free(Turns *turns)
{
        free(turns);
        return NULL;
}

static void on_work(uv_work_t *work)
{
        Turn *turn = container_of(work, Turn, work);

        turn->run(turn);
}

static void next(Turns *turns, uid_t uid);

static void on_done(uv_work_t *work, int status)
{
        Turn *turn = container_of(work, Turn, work);

        TAILQ_REMOVE(&turn->turns->all, turn, entry);
        next(turn->turns, turn->uid);
        turn->done(turn);
}

/* Begins the user's first turn that waits, if one may. */
static void next(Turns *turns, uid_t uid)
{
        Turn *turn, *waits = NULL;
        unsigned n = 0;

        TAILQ_FOREACH (turn, &turns->all, entry) {
                if (turn->uid != uid)
                        continue;
                if (turn->works)
                        n++;
                else if (!waits)
                        waits = turn;
        }
        if (!waits || n >= TURNS_OF_A_USER || turns->closed)
                return;
        waits->works = true;
        /* fails without a function only */
        (void)uv_queue_work(turns->loop, &waits->work, on_work, on_done);
}

void turns_take(Turns *turns, Turn *turn, uid_t uid, TurnFunction run, TurnFunction done)
{
        *turn = (Turn){.turns = turns, .uid = uid, .run = run, .done = done};
        TAILQ_INSERT_TAIL(&turns->all, turn, entry);
        next(turns, uid);
}
