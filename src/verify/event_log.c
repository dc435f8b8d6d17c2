/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/event_log.h"

#include <string.h>

#include "verify/reader.h"

#define SHA1_SIZE 20
#define ALGORITHM_SHA256 0x000b
#define ALGORITHM_SHA384 0x000c
#define DIGEST_SIZE_MAX 64

static const char spec_id[16] = "Spec ID Event03";
static const char startup_locality[16] = "StartupLocality";

/* TCG_EfiSpecIDEvent: which digests each event has. */
typedef struct Layout {
        struct {
                uint16_t id, size;
        } algorithms[EVENT_LOG_ALGORITHMS_MAX];
        uint32_t n;
} Layout;

static int event_log_refuse(CvmError *error, const char *reason)
{
        return cvm_error_artifact(error, "event-log", "%s", reason);
}

static HashAlgorithm event_log_find_algorithm(uint16_t id)
{
        return id == ALGORITHM_SHA256   ? HASH_SHA256
               : id == ALGORITHM_SHA384 ? HASH_SHA384
                                        : _HASH_MAX;
}

static int parse_algorithm(Reader *reader, Layout *layout, EventLog *log, CvmError *error)
{
        uint16_t id = reader_take16(reader), size = reader_take16(reader);
        HashAlgorithm algorithm = event_log_find_algorithm(id);

        if (reader->failed)
                return event_log_refuse(error, "its header is truncated");
        if (size == 0 || size > DIGEST_SIZE_MAX)
                return cvm_error_artifact(error, "event-log",
                                          "algorithm 0x%x has digests of %u bytes", id, size);
        for (uint32_t i = 0; i < layout->n; i++)
                if (layout->algorithms[i].id == id)
                        return cvm_error_artifact(error, "event-log",
                                                  "its header names algorithm 0x%x twice", id);
        if (algorithm < _HASH_MAX) {
                if (size != hash_size(algorithm))
                        return cvm_error_artifact(error, "event-log", "%s has digests of %u bytes",
                                                  hash_name(algorithm), size);
                log->has[algorithm] = true;
        }
        layout->algorithms[layout->n].id = id;
        layout->algorithms[layout->n++].size = size;
        return 0;
}

/* The first event has the form of older logs, with a SHA-1 digest that means nothing. */
static int event_log_parse_header(Reader *reader, Layout *layout, EventLog *log, CvmError *error)
{
        uint32_t type, n;
        Reader event = {};
        const uint8_t *signature, *vendor;
        int r = 0;

        reader_take32(reader);
        type = reader_take32(reader);
        reader_take(reader, SHA1_SIZE);
        event.rest.size = reader_take32(reader);
        event.rest.data = reader_take(reader, event.rest.size);
        signature = event.rest.data ? reader_take(&event, sizeof(spec_id)) : NULL;
        if (!signature || type != EVENT_NO_ACTION ||
            memcmp(signature, spec_id, sizeof(spec_id)) != 0)
                return event_log_refuse(error,
                                        "is not a crypto-agile event log: it does not begin with "
                                        "Spec ID Event03");
        reader_take(&event, 8); /* platform class, version, errata, size of UINTN */
        n = reader_take32(&event);
        if (n == 0 || n > EVENT_LOG_ALGORITHMS_MAX)
                return cvm_error_artifact(error, "event-log", "its header names %u algorithms", n);
        for (uint32_t i = 0; r == 0 && i < n; i++)
                r = parse_algorithm(&event, layout, log, error);
        if (r < 0)
                return r;
        vendor = reader_take(&event, 1);
        if (!vendor || !reader_take(&event, *vendor) || event.rest.size != 0)
                return event_log_refuse(
                        error,
                        "the size of its header differs from the size of the header's parts");
        return 0;
}

static uint16_t digest_size(const Layout *layout, uint16_t id)
{
        for (uint32_t i = 0; i < layout->n; i++)
                if (layout->algorithms[i].id == id)
                        return layout->algorithms[i].size;
        return 0;
}

/* Every algorithm of the header, each once, in any order. */
static int parse_digests(Reader *reader, const Layout *layout, LogEvent *event, size_t at,
                         CvmError *error)
{
        uint32_t n = reader_take32(reader), seen = 0;

        if (!reader->failed && n != layout->n)
                return cvm_error_artifact(error, "event-log", "event %zu has %u digests, not %u",
                                          at, n, layout->n);
        for (uint32_t i = 0; !reader->failed && i < n; i++) {
                uint16_t id = reader_take16(reader);
                uint16_t size = digest_size(layout, id);
                HashAlgorithm algorithm = event_log_find_algorithm(id);
                const uint8_t *digest = reader_take(reader, size);

                for (uint32_t j = 0; j < layout->n; j++)
                        if (layout->algorithms[j].id == id)
                                seen |= 1u << j;
                if (algorithm < _HASH_MAX && size)
                        event->digests[algorithm] = digest;
        }
        if (reader->failed)
                return cvm_error_artifact(error, "event-log", "is truncated in event %zu", at);
        if (seen != (1u << layout->n) - 1)
                return cvm_error_artifact(error, "event-log",
                                          "event %zu lacks a digest of an algorithm that the "
                                          "header names",
                                          at);
        return 0;
}

static int event_log_parse_event(Reader *reader, const Layout *layout, EventLog *log,
                                 CvmError *error)
{
        LogEvent event = {.index = reader_take32(reader), .type = reader_take32(reader)};
        size_t at = log->n + 1;
        uint32_t size;
        int r = parse_digests(reader, layout, &event, at, error);

        if (r < 0)
                return r;
        size = reader_take32(reader);
        event.data = (Bytes){reader_take(reader, size), size};
        if (reader->failed)
                return cvm_error_artifact(error, "event-log", "is truncated in event %zu", at);
        if (log->n == EVENT_LOG_EVENTS_MAX)
                return event_log_refuse(error, "has too many events");
        /* doubled when n is a power of two */
        if ((log->n & (log->n - 1)) == 0) {
                LogEvent *events =
                        reallocarray(log->events, log->n ? 2 * log->n : 1, sizeof(*events));

                if (!events)
                        return -ENOMEM;
                log->events = events;
        }
        log->events[log->n++] = event;
        return 0;
}

/* Firmware leaves its log in an area of fixed size. */
static bool is_unused(Bytes rest)
{
        uint8_t fill = rest.size ? rest.data[0] : 0;

        if (fill != 0 && fill != 0xff)
                return false;
        return rest.size < 2 || memcmp(rest.data, rest.data + 1, rest.size - 1) == 0;
}

int event_log_parse(Bytes bytes, EventLog *ret, CvmError *error)
{
        Reader reader = {.rest = bytes};
        _cleanup_(event_log_done) EventLog log = {};
        Layout layout = {};
        bool unused = false;
        int r;

        if (bytes.size > EVENT_LOG_MAX)
                return cvm_error_artifact(error, "event-log", "is larger than %u bytes",
                                          EVENT_LOG_MAX);
        r = event_log_parse_header(&reader, &layout, &log, error);
        while (r == 0 && reader.rest.size > 0 && !unused) {
                /* an event of register 0 begins with zeros too, but is not all zeros: it has
                 * digests */
                unused = (reader.rest.data[0] == 0xff || reader.rest.size < 8 ||
                          le64_get(reader.rest.data) == 0) &&
                         is_unused(reader.rest);
                if (!unused)
                        r = event_log_parse_event(&reader, &layout, &log, error);
        }
        if (r < 0)
                return r;
        *ret = TAKE_STRUCT(log);
        return 0;
}

void event_log_done(EventLog *log)
{
        free(log->events);
        *log = (EventLog){};
}

bool log_event_extends(const LogEvent *event)
{
        return event->type != EVENT_NO_ACTION;
}

/* The locality from which the TPM was started is the last byte of PCR 0 then. */
static void event_log_start(const LogEvent *event, HashDigest *value)
{
        if (event->index == 0 && event->type == EVENT_NO_ACTION &&
            event->data.size == sizeof(startup_locality) + 1 &&
            memcmp(event->data.data, startup_locality, sizeof(startup_locality)) == 0)
                value->bytes[hash_size(value->algorithm) - 1] =
                        event->data.data[sizeof(startup_locality)];
}

int event_log_replay(const EventLog *log, uint32_t index, HashAlgorithm algorithm, HashDigest *ret,
                     size_t *ret_events)
{
        HashDigest value = hash_zero(algorithm);
        size_t n = 0;

        for (size_t i = 0; i < log->n; i++) {
                const LogEvent *event = &log->events[i];
                HashDigest digest = {.algorithm = algorithm};
                int r;

                if (event->index != index)
                        continue;
                if (!log_event_extends(event)) {
                        if (n == 0)
                                event_log_start(event, &value);
                        continue;
                }
                memcpy(digest.bytes, event->digests[algorithm], hash_size(algorithm));
                r = hash_extend(&value, &digest);
                if (r < 0)
                        return r;
                n++;
        }
        *ret = value;
        *ret_events = n;
        return 0;
}

const char *log_event_type_name(uint32_t type)
{
        static const struct {
                uint32_t type;
                const char *name;
        } names[] = {
                {0x0, "EV_PREBOOT_CERT"},
                {0x1, "EV_POST_CODE"},
                {0x3, "EV_NO_ACTION"},
                {0x4, "EV_SEPARATOR"},
                {0x5, "EV_ACTION"},
                {0x6, "EV_EVENT_TAG"},
                {0x7, "EV_S_CRTM_CONTENTS"},
                {0x8, "EV_S_CRTM_VERSION"},
                {0x9, "EV_CPU_MICROCODE"},
                {0xa, "EV_PLATFORM_CONFIG_FLAGS"},
                {0xb, "EV_TABLE_OF_DEVICES"},
                {0xc, "EV_COMPACT_HASH"},
                {0xd, "EV_IPL"},
                {0x10, "EV_NONHOST_CODE"},
                {0x11, "EV_NONHOST_CONFIG"},
                {0x12, "EV_NONHOST_INFO"},
                {0x80000001, "EV_EFI_VARIABLE_DRIVER_CONFIG"},
                {0x80000002, "EV_EFI_VARIABLE_BOOT"},
                {0x80000003, "EV_EFI_BOOT_SERVICES_APPLICATION"},
                {0x80000004, "EV_EFI_BOOT_SERVICES_DRIVER"},
                {0x80000005, "EV_EFI_RUNTIME_SERVICES_DRIVER"},
                {0x80000006, "EV_EFI_GPT_EVENT"},
                {0x80000007, "EV_EFI_ACTION"},
                {0x80000008, "EV_EFI_PLATFORM_FIRMWARE_BLOB"},
                {0x80000009, "EV_EFI_HANDOFF_TABLES"},
                {0x8000000a, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"},
                {0x8000000b, "EV_EFI_HANDOFF_TABLES2"},
                {0x8000000c, "EV_EFI_VARIABLE_BOOT2"},
                {0x80000010, "EV_EFI_HCRTM_EVENT"},
                {0x800000e0, "EV_EFI_VARIABLE_AUTHORITY"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (names[i].type == type)
                        return names[i].name;
        return NULL;
}
