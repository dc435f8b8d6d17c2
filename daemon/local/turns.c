/* SPDX-License-Identifier: Apache-2.0 */
#include "local/turns.h"

#include <sys/param.h>

#include "base/macros.h"

#define NSEC_PER_MSEC UINT64_C(1000000)

/* A user whose next turn must not begin yet. */
typedef struct TurnsRest {
        uid_t uid;
        uint64_t until; /* uv_hrtime() */
        LIST_ENTRY(TurnsRest) entry;
} TurnsRest;

struct Turns {
        uv_loop_t *loop;
        unsigned of_a_user, of_others, rest;
        bool closed;
        TAILQ_HEAD(, Turn) all;
        LIST_HEAD(, TurnsRest) rests;
        uv_timer_t timer; /* runs until the first rest is over */
};

Turns *turns_new(uv_loop_t *loop, unsigned of_a_user, unsigned of_others, unsigned rest)
{
        Turns *turns = calloc(1, sizeof(*turns));

        if (!turns)
                return NULL;
        turns->loop = loop;
        turns->of_a_user = of_a_user;
        turns->of_others = of_others;
        turns->rest = rest;
        TAILQ_INIT(&turns->all);
        LIST_INIT(&turns->rests);
        uv_timer_init(loop, &turns->timer);
        return turns;
}

void turns_close(Turns *turns)
{
        Turn *turn;

        if (turns->closed)
                return;
        turns->closed = true;
        uv_close((uv_handle_t *)&turns->timer, NULL);
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

static void turns_end_rest(TurnsRest *rest)
{
        LIST_REMOVE(rest, entry);
        free(rest);
}

Turns *turns_free(Turns *turns)
{
        while (turns && !LIST_EMPTY(&turns->rests))
                turns_end_rest(LIST_FIRST(&turns->rests));
        free(turns);
        return NULL;
}

static TurnsRest *turns_find_rest(const Turns *turns, uid_t uid)
{
        TurnsRest *rest;

        LIST_FOREACH (rest, &turns->rests, entry)
                if (rest->uid == uid)
                        return rest;
        return NULL;
}

/* Lets the user of a turn that has worked rest; without memory the user does not rest. */
static void turns_rest(Turns *turns, const Turn *turn)
{
        uint64_t pause = MIN(turn->took * turns->rest, TURNS_REST_MSEC_MAX * NSEC_PER_MSEC);
        uint64_t until = uv_hrtime() + pause;
        TurnsRest *rest = turns_find_rest(turns, turn->uid);

        if (pause < NSEC_PER_MSEC)
                return;
        if (!rest) {
                rest = calloc(1, sizeof(*rest));
                if (!rest)
                        return;
                rest->uid = turn->uid;
                LIST_INSERT_HEAD(&turns->rests, rest, entry);
        }
        rest->until = MAX(rest->until, until);
}

static void turns_next(Turns *turns);

static void on_rested(uv_timer_t *timer)
{
        turns_next(container_of(timer, Turns, timer));
}

/* Forgets the rests that are over, and awaits the first that is not. */
static void turns_await_rests(Turns *turns)
{
        uint64_t now = uv_hrtime(), first = UINT64_MAX;
        TurnsRest *rest, *next;

        for (rest = LIST_FIRST(&turns->rests); rest; rest = next) {
                next = LIST_NEXT(rest, entry);
                if (rest->until <= now)
                        turns_end_rest(rest);
                else
                        first = MIN(first, rest->until);
        }
        uv_timer_stop(&turns->timer);
        if (first < UINT64_MAX && !TAILQ_EMPTY(&turns->all)) {
                uv_update_time(turns->loop);
                uv_timer_start(&turns->timer, on_rested,
                               (first - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC, 0);
        }
}

static void on_work(uv_work_t *work)
{
        Turn *turn = container_of(work, Turn, work);
        uint64_t began = uv_hrtime();

        turn->run(turn);
        turn->took = uv_hrtime() - began;
}

static void on_done(uv_work_t *work, int status)
{
        Turn *turn = container_of(work, Turn, work);
        Turns *turns = turn->turns;

        TAILQ_REMOVE(&turns->all, turn, entry);
        turns_rest(turns, turn);
        turns_next(turns);
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

/* The first turn that waits and may begin; NULL if there is none. */
static Turn *turns_find_ready(const Turns *turns)
{
        bool root_only = count_working(turns, true, 0) >= turns->of_others;
        uid_t busy[TURNS_OF_OTHERS + 1]; /* root and users with all their turns */
        size_t n_busy = 0;
        Turn *turn;

        TAILQ_FOREACH (turn, &turns->all, entry) {
                if (turn->works || (root_only && turn->uid != 0) ||
                    turns_contains(busy, n_busy, turn->uid) || turns_find_rest(turns, turn->uid))
                        continue;
                if (count_working(turns, false, turn->uid) < turns->of_a_user)
                        break;
                busy[n_busy++] = turn->uid;
        }
        return turn;
}

/* Begins the turns that wait and may begin. */
static void turns_next(Turns *turns)
{
        Turn *turn;

        if (turns->closed)
                return;
        turns_await_rests(turns);
        while ((turn = turns_find_ready(turns))) {
                turn->works = true;
                /* fails without a function only */
                (void)uv_queue_work(turns->loop, &turn->work, on_work, on_done);
        }
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
