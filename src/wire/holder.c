/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/holder.h"

#include <assert.h>
#include <sys/param.h>

#include "wire/server_internal.h"

static WireHolder *find(const WireServer *server, uid_t account)
{
        WireHolder *holder;

        LIST_FOREACH (holder, &server->holders, all)
                if (holder->account == account)
                        return holder;
        return NULL;
}

WireHolder *wire_holder_join(WireServer *server, uid_t account)
{
        WireHolder *holder = find(server, account);

        if (!holder) {
                holder = calloc(1, sizeof(*holder));
                if (!holder)
                        return NULL;
                holder->account = account;
                LIST_INSERT_HEAD(&server->holders, holder, all);
        }
        holder->n_connections++;
        return holder;
}

void wire_holder_leave(WireHolder *holder)
{
        if (!holder || --holder->n_connections > 0)
                return;
        assert(holder->n_bytes == 0);
        LIST_REMOVE(holder, all);
        free(holder);
}

bool wire_holder_may_call(WireHolder *holder, uint64_t turn)
{
        if (holder->turn != turn) {
                holder->turn = turn;
                holder->made = 0;
        }
        return holder->made < WIRE_MADE_A_TURN;
}

void wire_holder_add_made(WireHolder *holder, size_t n)
{
        holder->made += MAX(n, WIRE_CALL_BYTES);
}

WireHolder *wire_holder_greediest(const WireServer *server)
{
        WireHolder *holder, *greediest = NULL;
        size_t most = 0;

        LIST_FOREACH (holder, &server->holders, all) {
                if (holder->n_bytes <= most)
                        continue;
                most = holder->n_bytes;
                greediest = holder;
        }
        return greediest;
}
