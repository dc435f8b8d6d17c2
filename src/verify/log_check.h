/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An event log against the registers that it must lead to, and against the events that are
 * expected. */

#include "verify/event_log.h"
#include "verify/register_check.h"

/* Whose log it is: what its register numbers stand for. */
typedef enum LogKind { LOG_TPM, LOG_TD } LogKind;

/* Findings "log RTMR1": whether the log leads to what is seen; and "events RTMR1": the first event
 * that is not as expected; and "log other" if it has events of registers that do not exist. Returns
 * 0, -ENOMEM or -EIO. */
int log_check(const EventLog *log, LogKind kind, const SeenRegisters *seen,
              const Expectation *expectation, Findings *findings);
