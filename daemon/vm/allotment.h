/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What one launch, or one render, is given: made by admission (launch/admission.h), constant from
 * then on, and passed by pointer to those who load, measure and render by it. A launch that has to
 * take other ports gets another.
 */

#include "host/host.h"
#include "spec/spec.h"
#include "template/template.h"

/* All but qemu borrowed. */
typedef struct Allotment {
        const Template *template;
        const char *id;
        uid_t owner, uid; /* who launches it; that QEMU runs as, 0: as the daemon */
        uint32_t cpus;
        uint64_t memory; /* bytes */
        const SpecForward *forwards;
        size_t n_forwards;
        bool vsock; /* it has a CID: of the guest, or of its SVSM */
        uint32_t vsock_cid;
        uint32_t notify_port;
        const char *cmdline;   /* of the guest, as its spec has it */
        const HostFacts *host; /* as the daemon found it at its start */
        char *qemu;            /* the binary's path; owned; NULL: there is none */
} Allotment;

void allotment_done(Allotment *allotment);
