/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The event log of a boot, and the registers that it leads to.
 *
 * Source: TCG, "PC Client Platform Firmware Profile", 10.2 (crypto-agile log: TCG_EfiSpecIDEvent,
 * TCG_PCR_EVENT2) and 10.4.5.3 (StartupLocality); of a TD (ACPI's CCEL) UEFI 2.10, 38.4: the same,
 * with 1 more than the RTMR in place of the PCR.
 */

#include "base/error.h"
#include "base/hash.h"
#include "measure/bytes.h"

#define EVENT_LOG_MAX (16u << 20)  /* bytes */
#define EVENT_LOG_EVENTS_MAX 65536 /* events */
#define EVENT_LOG_ALGORITHMS_MAX 8

#define EVENT_NO_ACTION 3

typedef struct LogEvent {
        /* PCR; of a TD: 0 is MRTD, 1 to 4 are RTMR0 to RTMR3. Firmware also writes numbers that no
         * register has (0xffffffff, with EV_NO_ACTION). */
        uint32_t index;
        uint32_t type;
        const uint8_t *digests[_HASH_MAX]; /* NULL: not in this log */
        Bytes data;
} LogEvent;

typedef struct EventLog {
        LogEvent *events; /* without the header; digests and data are in the bytes parsed */
        size_t n;
        bool has[_HASH_MAX]; /* the algorithms of all its events */
} EventLog;

/* ArtifactInvalid "event-log": not of that form, too large, cut short, followed by anything but an
 * unused area (all 0xff or all 0). Returns 0 or -errno. */
int event_log_parse(Bytes bytes, EventLog *ret, CvmError *error);
void event_log_done(EventLog *log);

/* Whether the event extends the register: EV_NO_ACTION does not. */
bool log_event_extends(const LogEvent *event);

/* What the events lead a register to, and how many of them extend it. The algorithm must be one
 * that the log has. Returns 0, -ENOMEM or -EIO. */
int event_log_replay(const EventLog *log, uint32_t index, HashAlgorithm algorithm, HashDigest *ret,
                     size_t *ret_events);

/* "EV_SEPARATOR", or NULL. */
const char *log_event_type_name(uint32_t type);
