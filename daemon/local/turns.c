/* SPDX-License-Identifier: Apache-2.0 */
#include "local/turns.h"

#include "base/macros.h"

struct Turns {
        uv_loop_t *loop;
        unsigned of_a_user, of_others;
        bool closed;
        TAILQ_HEAD(, Turn) all;
};

Turns *turns_new(uv_loop_t *loop, unsigned of_a_user, unsigned of_others)
{
        Turns *turns = calloc(1, sizeof(*turns));

        if (!turns)
                return NULL;
        turns->loop = loop;
        turns->of_a_user = of_a_user;
        turns->of_others = of_others;
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

static void turns_next(Turns *turns);

static void on_done(uv_work_t *work, int status)
{
        Turn *turn = container_of(work, Turn, work);

        TAILQ_REMOVE(&turn->turns->all, turn, entry);
        turns_next(turn->turns);
        turn->done(turn);
}

static unsigned count_working(const Turns *turns, bool all_but_root, uid_t uid)
{
        unsigned n = 0;
        const Turn *turn;

        TAILQ_FOREACH (turn, &turns->all, entry)
                n += turn->works && (all_but_root ? turn->uid != 0 : turn->uid == uid);
        return n;
}

static bool turns_contains(const uid_t *uids, size_t n, uid_t uid)
{
        for (size_t i = 0; i < n; i++)
                if (uids[i] == uid)
                        return true;
        return false;
}

/* Begins the first turn that waits and may begin, if there is one. */
static void turns_next(Turns *turns)
{
        bool root_only = count_working(turns, true, 0) >= turns->of_others;
        uid_t busy[TURNS_OF_OTHERS + 1]; /* root and users with all their turns */
        size_t n_busy = 0;
        Turn *turn;

        TAILQ_FOREACH (turn, &turns->all, entry) {
                if (turn->works || (root_only && turn->uid != 0) ||
                    turns_contains(busy, n_busy, turn->uid))
                        continue;
                if (count_working(turns, false, turn->uid) < turns->of_a_user)
                        break;
                busy[n_busy++] = turn->uid;
        }
        if (!turn || turns->closed)
                return;
        turn->works = true;
        /* fails without a function only */
        (void)uv_queue_work(turns->loop, &turn->work, on_work, on_done);
}

void turns_take(Turns *turns, Turn *turn, uid_t uid, TurnFunction run, TurnFunction done)
{
        *turn = (Turn){.turns = turns, .uid = uid, .run = run, .done = done};
        if (turns->closed) {
                done(turn);
                return;
        }
        TAILQ_INSERT_TAIL(&turns->all, turn, entry);
        turns_next(turns);
}

void turns_count(const Turns *turns, size_t *ret_waiting, size_t *ret_working)
{
        size_t waiting = 0, working = 0;
        const Turn *turn;

        TAILQ_FOREACH (turn, &turns->all, entry)
                turn->works ? working++ : waiting++;
        *ret_waiting = waiting;
        *ret_working = working;
}

bool turns_withdraw(Turn *turn)
{
        if (turn->works)
                return false;
        TAILQ_REMOVE(&turn->turns->all, turn, entry);
        return true;
}
