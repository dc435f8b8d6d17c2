/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml_json.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/json_place.h"
#include "base/json_scan.h"
#include "base/text.h"

/* A collection whose end has not been read. */
typedef struct YamlLevel {
        bool mapping;
        bool value; /* of a mapping: a name was read, and its value comes next */
        bool any;   /* it has a member or item */
} YamlLevel;

typedef struct YamlReader {
        yaml_parser_t parser;
        const char *data;
        size_t size;
        YamlJson json;
        size_t places_allocated;
        YamlLevel levels[JSON_DEPTH_MAX];
        unsigned depth;
        size_t values;
        JsonParseError *where;
} YamlReader;

static int yaml_refuse(const YamlReader *reader, yaml_mark_t at, const char *format, ...)
        _printf_(3, 4);

static int yaml_refuse(const YamlReader *reader, yaml_mark_t at, const char *format, ...)
{
        JsonParseError *where = reader->where;
        va_list ap;

        *where = (JsonParseError){.line = (unsigned)at.line + 1, .column = (unsigned)at.column + 1};
        va_start(ap, format);
        vsnprintf(where->reason, sizeof(where->reason), format, ap);
        va_end(ap);
        return -EBADMSG;
}

/* Whether the character at the mark is a tab. */
static bool yaml_is_tab(const YamlReader *reader, yaml_mark_t at)
{
        size_t offset = 0;

        for (size_t n = 0; n < at.index && offset < reader->size; n++)
                offset += text_utf8_length((unsigned char)reader->data[offset]);
        return offset < reader->size && reader->data[offset] == '\t';
}

/* libyaml has refused the text, and says why. */
static int yaml_fail(const YamlReader *reader)
{
        const yaml_parser_t *parser = &reader->parser;
        yaml_mark_t at = parser->problem_mark;

        if (parser->error == YAML_MEMORY_ERROR)
                return -ENOMEM;
        if (parser->error == YAML_READER_ERROR) { /* it has an offset rather than a mark */
                size_t offset = parser->problem_offset;
                JsonPlace place = {};

                json_place_advance(&place, reader->data,
                                   offset < reader->size ? offset : reader->size);
                at = (yaml_mark_t){.line = place.line - 1, .column = place.column - 1};
        }
        if (parser->error == YAML_SCANNER_ERROR && yaml_is_tab(reader, at))
                return yaml_refuse(reader, at,
                                   "not valid YAML: a tab; indent with spaces, or quote the value");
        return yaml_refuse(reader, at, "not valid YAML: %s", parser->problem ?: "unknown error");
}

static void yaml_event_done(yaml_event_t *event)
{
        if (event->type == YAML_SCALAR_EVENT)
                explicit_bzero(event->data.scalar.value, event->data.scalar.length);
        yaml_event_delete(event);
}

/* Returns 0, or as yaml_fail(). */
static int yaml_next(YamlReader *reader, yaml_event_t *ret)
{
        return yaml_parser_parse(&reader->parser, ret) ? 0 : yaml_fail(reader);
}

/* Whether all of it is a number by the grammar of RFC 8259, which may be out of range. */
static bool yaml_is_number(const char *s, size_t size)
{
        size_t i = 0, digits;

        if (i < size && s[i] == '-')
                i++;
        for (digits = i; i < size && isdigit((unsigned char)s[i]); i++)
                ;
        if (i == digits || (s[digits] == '0' && i > digits + 1))
                return false;
        if (i < size && s[i] == '.') {
                for (digits = ++i; i < size && isdigit((unsigned char)s[i]); i++)
                        ;
                if (i == digits)
                        return false;
        }
        if (i < size && (s[i] == 'e' || s[i] == 'E')) {
                if (++i < size && (s[i] == '-' || s[i] == '+'))
                        i++;
                for (digits = i; i < size && isdigit((unsigned char)s[i]); i++)
                        ;
                if (i == digits)
                        return false;
        }
        return i == size;
}

/* Whether a plain scalar stands for something other than a string. */
static bool yaml_is_literal(const char *s, size_t size)
{
        static const char *const words[] = {"true", "false", "null"};

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (size == strlen(words[i]) && memcmp(s, words[i], size) == 0)
                        return true;
        return yaml_is_number(s, size);
}

static int yaml_write_string(Buffer *text, const char *s, size_t size)
{
        int r = buffer_append(text, "\"", 1);

        for (size_t i = 0, run; r == 0 && i < size; i += run) {
                for (run = 0; i + run < size && (unsigned char)s[i + run] >= 0x20 &&
                              s[i + run] != '"' && s[i + run] != '\\';
                     run++)
                        ;
                if (run > 0) {
                        r = buffer_append(text, s + i, run);
                        continue;
                }
                run = 1;
                r = (unsigned char)s[i] < 0x20
                            ? buffer_appendf(text, "\\u%04x", (unsigned)(unsigned char)s[i])
                            : buffer_append(text, (char[]){'\\', s[i]}, 2);
        }
        return r < 0 ? r : buffer_append(text, "\"", 1);
}

static int yaml_add_place(YamlReader *reader, yaml_mark_t at)
{
        YamlJson *json = &reader->json;

        if (json->n_places == reader->places_allocated) {
                size_t room = reader->places_allocated ? 2 * reader->places_allocated : 64;
                YamlPlace *places = reallocarray(json->places, room, sizeof(*places));

                if (!places)
                        return -ENOMEM;
                json->places = places;
                reader->places_allocated = room;
        }
        json->places[json->n_places++] =
                (YamlPlace){(unsigned)at.line + 1, (unsigned)at.column + 1};
        return 0;
}

/* What a node has before its value that is not accepted. */
static int yaml_check_properties(const YamlReader *reader, const yaml_event_t *event)
{
        const yaml_char_t *anchor = NULL, *tag = NULL;

        if (event->type == YAML_SCALAR_EVENT) {
                anchor = event->data.scalar.anchor;
                tag = event->data.scalar.tag;
        } else if (event->type == YAML_SEQUENCE_START_EVENT) {
                anchor = event->data.sequence_start.anchor;
                tag = event->data.sequence_start.tag;
        } else if (event->type == YAML_MAPPING_START_EVENT) {
                anchor = event->data.mapping_start.anchor;
                tag = event->data.mapping_start.tag;
        }
        if (event->type == YAML_ALIAS_EVENT)
                return yaml_refuse(reader, event->start_mark,
                                   "an alias is not accepted: repeat the value, or quote it if it "
                                   "begins with '*'");
        if (anchor)
                return yaml_refuse(reader, event->start_mark,
                                   "an anchor is not accepted: quote the value if it begins with "
                                   "'&'");
        if (tag)
                return yaml_refuse(reader, event->start_mark,
                                   "a tag is not accepted: quote the value if it begins with '!'");
        return 0;
}

/* A name must be a string: YAML could have others. */
static int yaml_check_name(const YamlReader *reader, const yaml_event_t *event)
{
        const char *value = (const char *)event->data.scalar.value;

        if (event->type != YAML_SCALAR_EVENT)
                return yaml_refuse(reader, event->start_mark,
                                   "the name of a member must be a string");
        if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
            (event->data.scalar.length == 0 || yaml_is_literal(value, event->data.scalar.length)))
                return yaml_refuse(reader, event->start_mark,
                                   "the name of a member must be a string: put it in quotes");
        return 0;
}

/* Begins a line of JSON for the node, after what separates it from the one before. */
static int yaml_begin_node(YamlReader *reader, const yaml_event_t *event)
{
        YamlLevel *level = reader->depth ? &reader->levels[reader->depth - 1] : NULL;
        bool name = level && level->mapping && !level->value;
        int r = yaml_check_properties(reader, event);

        if (r == 0 && name)
                r = yaml_check_name(reader, event);
        if (r == 0 && !name && ++reader->values > JSON_VALUES_MAX)
                r = yaml_refuse(reader, event->start_mark,
                                "too many values: at most %u are allowed", JSON_VALUES_MAX);
        if (r == 0 && level && level->any && (name || !level->mapping))
                r = buffer_append(&reader->json.text, ",", 1);
        if (r == 0 && level && level->value)
                r = buffer_append(&reader->json.text, ":", 1);
        if (r == 0 && reader->json.n_places > 0)
                r = buffer_append(&reader->json.text, "\n", 1);
        if (r == 0)
                r = yaml_add_place(reader, event->start_mark);
        if (level) {
                level->value = name;
                level->any = true;
        }
        return r;
}

static int yaml_take_scalar(YamlReader *reader, const yaml_event_t *event)
{
        const char *value = (const char *)event->data.scalar.value;
        bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        size_t size = event->data.scalar.length;

        if (plain && size == 0)
                return yaml_refuse(reader, event->start_mark,
                                   "the value is missing: write \"\" for an empty string, or null");
        if (plain && yaml_is_literal(value, size))
                return buffer_append(&reader->json.text, value, size);
        return yaml_write_string(&reader->json.text, value, size);
}

static int yaml_open(YamlReader *reader, const yaml_event_t *event)
{
        bool mapping = event->type == YAML_MAPPING_START_EVENT;

        if (reader->depth == JSON_DEPTH_MAX)
                return yaml_refuse(reader, event->start_mark,
                                   "nested too deeply: at most %d levels are allowed",
                                   JSON_DEPTH_MAX);
        reader->levels[reader->depth++] = (YamlLevel){.mapping = mapping};
        return buffer_append(&reader->json.text, mapping ? "{" : "[", 1);
}

/* An event within a document. Returns 1 when the document has ended, 0, or a refusal. */
static int yaml_take(YamlReader *reader, const yaml_event_t *event)
{
        int r;

        switch (event->type) {
        case YAML_DOCUMENT_END_EVENT:
                return 1;
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT:
                reader->depth--;
                return buffer_append(&reader->json.text,
                                     event->type == YAML_MAPPING_END_EVENT ? "}" : "]", 1);
        default:
                r = yaml_begin_node(reader, event);
                if (r < 0)
                        return r;
                return event->type == YAML_SCALAR_EVENT ? yaml_take_scalar(reader, event)
                                                        : yaml_open(reader, event);
        }
}

/* The start of a document, or of the stream. Returns 1 when the document has begun. */
static int yaml_take_start(YamlReader *reader, const yaml_event_t *event)
{
        const yaml_version_directive_t *version = event->data.document_start.version_directive;

        if (event->type == YAML_STREAM_START_EVENT)
                return 0;
        if (event->type == YAML_STREAM_END_EVENT)
                return yaml_refuse(reader, event->start_mark, "it has no document");
        if (version && (version->major != 1 || version->minor != 2))
                return yaml_refuse(reader, event->start_mark,
                                   "only version 1.2 of YAML is accepted");
        if (event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end)
                return yaml_refuse(reader, event->start_mark, "tags are not accepted");
        return 1;
}

static int yaml_take_end(YamlReader *reader, const yaml_event_t *event)
{
        if (event->type == YAML_STREAM_END_EVENT)
                return 1;
        return yaml_refuse(reader, event->start_mark,
                           "a second document is not accepted: one file is one value");
}

/* Gives events to the function until it returns something other than 0. */
static int yaml_read(YamlReader *reader, int (*take)(YamlReader *, const yaml_event_t *))
{
        int r = 0;

        while (r == 0) {
                yaml_event_t event;

                r = yaml_next(reader, &event);
                if (r < 0)
                        return r;
                r = take(reader, &event);
                yaml_event_done(&event);
        }
        return r < 0 ? r : 0;
}

/* Overwrites what libyaml has read and not yet given away. */
static void yaml_parser_done(yaml_parser_t *parser)
{
        explicit_bzero(parser->raw_buffer.start,
                       (size_t)(parser->raw_buffer.end - parser->raw_buffer.start));
        explicit_bzero(parser->buffer.start, (size_t)(parser->buffer.end - parser->buffer.start));
        yaml_parser_delete(parser);
}

int yaml_json_new(const char *data, size_t size, YamlJson *ret, JsonParseError *ret_where)
{
        YamlReader reader = {.data = data, .size = size, .where = ret_where};
        int r;

        if (!yaml_parser_initialize(&reader.parser))
                return -ENOMEM;
        yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&reader.parser, (const unsigned char *)data, size);
        r = yaml_read(&reader, yaml_take_start);
        if (r == 0)
                r = yaml_read(&reader, yaml_take);
        if (r == 0)
                r = yaml_read(&reader, yaml_take_end);
        yaml_parser_done(&reader.parser);
        if (r < 0) {
                yaml_json_done(&reader.json);
                return r;
        }
        *ret = reader.json;
        return 0;
}

void yaml_json_done(YamlJson *json)
{
        buffer_done(&json->text);
        free(json->places);
        *json = (YamlJson){};
}

YamlPlace yaml_json_place(const YamlJson *json, unsigned line)
{
        if (line == 0 || line > json->n_places)
                return (YamlPlace){1, 1};
        return json->places[line - 1];
}
