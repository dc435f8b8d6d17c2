/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Work for users in the loop's worker threads, in turns: a user has at most so many of the threads
 * at a time, for example TURNS_OF_A_USER, so that one whose files never answer leaves threads to
 * others. All users but root together have at most TURNS_OF_OTHERS, or fewer: a person may be many
 * users (subuid(5)).
 */

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <uv.h>

/* Threads of the loop: UV_THREADPOOL_SIZE. Two of the manager's Turns use 24 of them each and root
 * 8 more, that of large work 4 and root 1 more; the others are for work that must not wait: large
 * messages (wire/parser.h), records, memory, configuration. */
#define TURNS_THREADS "80"
#define TURNS_OF_A_USER 8
#define TURNS_OF_OTHERS 24
/* Likewise, of work that takes much memory and CPU time, and does not wait. */
#define TURNS_LARGE_OF_A_USER 1
#define TURNS_LARGE_OF_OTHERS 4
/* After large work that took a while, its user's next piece of it begins this many times that while
 * later. Otherwise the worker, and the client that reads the results as fast as it can, would keep
 * this machine's CPUs from what other users wait for: a launch has some dozen hand-overs between
 * processes, and each of them would queue. */
#define TURNS_LARGE_REST 3
#define TURNS_REST_MSEC_MAX 1000

typedef struct Turns Turns;
typedef struct Turn Turn;
typedef void (*TurnFunction)(Turn *turn);

/* To be a part of what works; its members are turns.c's. */
struct Turn {
        uv_work_t work;
        Turns *turns;
        uid_t uid;
        bool works;
        uint64_t took; /* ns in the worker */
        TurnFunction run, done;
        TAILQ_ENTRY(Turn) entry;
};

/* loop: borrowed; of_a_user and of_others: threads, at most TURNS_OF_A_USER and TURNS_OF_OTHERS;
 * rest: how many times as long as a turn took its user rests before the next one, at most
 * TURNS_REST_MSEC_MAX; 0: not at all. Returns NULL without memory. */
Turns *turns_new(uv_loop_t *loop, unsigned of_a_user, unsigned of_others, unsigned rest);
/* Those that wait are done without having worked, and no more begin. Call it before the loop
 * ends. Idempotent. */
void turns_close(Turns *turns);
/* Once the loop has ended. */
Turns *turns_free(Turns *turns);

/* `run` in a worker when it is the user's turn, then `done` in the loop, which always comes: after
 * turns_close() at once, without `run`. The user's turns begin in the order of these calls. */
void turns_take(Turns *turns, Turn *turn, uid_t uid, TurnFunction run, TurnFunction done);
/* How many turns wait, and how many threads work. */
void turns_count(const Turns *turns, size_t *ret_waiting, size_t *ret_working);

/* Takes a turn back that has not begun; neither function is called then. False: it works. */
bool turns_withdraw(Turn *turn);
