/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/parser.h"

#include "wire/server_internal.h"

void wire_parser_init(WireParser *parser, uv_loop_t *loop)
{
        *parser = (WireParser){.loop = loop};
        TAILQ_INIT(&parser->parses);
}

WireParse *wire_parse_free(WireParse *parse)
{
        if (!parse)
                return NULL;
        buffer_done(&parse->message);
        wire_message_call_done(&parse->call);
        wire_prepared_done(&parse->prepared);
        wire_fds_close(parse->uid, parse->fds, parse->n_fds);
        free(parse);
        return NULL;
}

WireParse *wire_parse_new(uid_t uid, Buffer *message, WireFd *fds, size_t n_fds)
{
        WireParse *parse = calloc(1, sizeof(*parse));

        if (!parse) {
                buffer_done(message);
                wire_fds_close(uid, fds, n_fds);
                return NULL;
        }
        *parse = (WireParse){
                .uid = uid,
                .message = *message,
                .size = message->size,
                .fds = fds,
                .n_fds = n_fds,
        };
        *message = (Buffer){};
        return parse;
}

static void on_work(uv_work_t *work)
{
        WireParse *parse = container_of(work, WireParse, work);
        const WireServer *server = container_of(parse->parser, WireServer, parser);

        parse->result = wire_message_parse_call(parse->message.data, parse->message.size,
                                                WIRE_VALUES_MAX, &parse->call);
        buffer_done(&parse->message);
        if (parse->result == 0)
                server->ops->prepare(server, &parse->call, &parse->prepared);
}

static void begin_next(WireParser *parser);

static void on_done(uv_work_t *work, int status)
{
        WireParse *parse = container_of(work, WireParse, work);

        TAILQ_REMOVE(&parse->parser->parses, parse, entry);
        begin_next(parse->parser);
        parse->parsed(parse, parse->userdata);
}

static bool may_begin(const WireParser *parser, uid_t uid)
{
        const WireParse *other;
        unsigned others = 0;

        TAILQ_FOREACH (other, &parser->parses, entry) {
                if (!other->works)
                        continue;
                if (other->uid == uid)
                        return false;
                others += other->uid != 0;
        }
        return uid == 0 || others < WIRE_PARSERS_OF_OTHERS;
}

/* Begins what may begin, in the order in which it came. */
static void begin_next(WireParser *parser)
{
        WireParse *parse;

        TAILQ_FOREACH (parse, &parser->parses, entry) {
                if (parse->works || !may_begin(parser, parse->uid))
                        continue;
                parse->works = true;
                /* fails without a function only */
                (void)uv_queue_work(parser->loop, &parse->work, on_work, on_done);
        }
}

void wire_parse_begin(WireParser *parser, WireParse *parse, WireParsed parsed, void *userdata)
{
        parse->parser = parser;
        parse->parsed = parsed;
        parse->userdata = userdata;
        TAILQ_INSERT_TAIL(&parser->parses, parse, entry);
        begin_next(parser);
}

void wire_parse_abandon(WireParse *parse)
{
        parse->abandoned = true;
        if (parse->works)
                return;
        TAILQ_REMOVE(&parse->parser->parses, parse, entry);
        parse->parsed(parse, parse->userdata);
}
