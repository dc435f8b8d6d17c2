/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The steps that stand before a launch, in one table, for who launches and for who only asks: a
 * launch takes them one after the other until one refuses it (admission.c); a render takes all of
 * them with a CVM that is not in the manager's table, lists what they say and gives back what they
 * hold (admission_review.c). What is added here is thereby in both.
 */

#include "launch/load.h"
#include "manager/manager.h"
#include "vm/allotment.h"

/* What a launch gets. */
typedef struct Admission {
        const CvmSpec *spec;
        const Template *template;
        const char *id; /* NULL: a new one */
        const WirePeer *peer;
        json_object *request; /* of a launch with an id (request.h), or NULL */
} Admission;

typedef struct AdmissionStep {
        const char *name;   /* of the check that a render lists; where a resource has run out the
                             * resource's */
        const char *needed; /* for a person, as in HostCheck */
        const char *fix;    /* likewise; NULL: the error says it */
        /* Checks, or reserves something for the CVM. 0, or -errno with the error set. */
        int (*pass)(Manager *manager, const Admission *admission, Vm *vm, CvmError *error);
        /* The same for the i-th of several things alone, so that a render can list every one that
         * is refused. Returns 1 once there is no i-th. NULL: the step is about one thing. */
        int (*pass_one)(Manager *manager, const Admission *admission, Vm *vm, size_t i,
                        CvmError *error);
} AdmissionStep;

/* Ended by {}. */
const AdmissionStep *admission_steps(void);

/* Checks name, quota and memory, reserves ports and CID, and adds a CVM in state preparing. A
 * stopped or failed CVM of the same name and owner is put on the table's shelf: *ret_replaced, a
 * reference, else NULL. One with the same id is a kept failure (api_launch.c has made sure of
 * that): the new one takes its place, with its ending and its logs. */
int admission_admit(Manager *manager, const Admission *admission, Vm **ret, Vm **ret_replaced,
                    CvmError *error);

/* The launch that was to replace this CVM has failed: takes it from the shelf, unless it was
 * removed meanwhile, and reports its state to clients that watch: a client may know of the new one
 * alone. */
void admission_bring_back(Manager *manager, Vm *old);

/* A CVM with all that follows from spec and configuration alone, in no table yet. Owned: given to
 * the table, or to admission_vm_drop(), which releases what is reserved for it. */
int admission_vm_new(Manager *manager, const Admission *admission, Vm **ret, CvmError *error);
void admission_vm_drop(Vm *vm);

/* What an admitted CVM's launch gets; borrows from CVM, spec, template and manager. To be made
 * again when other ports are reserved. allotment_done() frees it. */
void admission_allot(const Manager *manager, const Vm *vm, const Template *template,
                     const CvmSpec *spec, Allotment *ret);
/* What a launch of the spec would get, without reserving it: the ports and the CID that the spec
 * names, or the first of their ranges. forwards: for what it is given, SPEC_FORWARDS_MAX. */
void admission_prospect(const Manager *manager, const Template *template, const CvmSpec *spec,
                        uid_t owner, SpecForward *forwards, Allotment *ret);

/* Bytes that a CVM may still take of the memory that the host has available now: what it was
 * promised and its process does not have resident. pid 0: it has no process. In any thread. */
uint64_t admission_outstanding(pid_t pid, uint64_t promised, uint64_t *ret_resident);
/* Bytes of the host's memory that may still be promised; owed: the sum of the above, of all live
 * CVMs. Returns 0, or -EIO if the host does not report what it has. In any thread. */
int admission_memory_left(const Manager *manager, uint64_t owed, uint64_t *ret);

/* Whether this user may set the CPU weight of the spec. InvalidSpec. */
int admission_check_weight(const Manager *manager, const CvmSpec *spec, const WirePeer *peer,
                           CvmError *error);

/* Checks that no other CVM has the tap: the kernel would refuse it, too, but could not name the
 * CVM. NoResources. */
int admission_check_tap(const Manager *manager, const Vm *vm, const CvmSpec *spec,
                        const WirePeer *peer, CvmError *error);

/* Adds to `missing` each refusal that a launch would meet now, before and after its files were
 * loaded; nothing stays reserved. Returns 0 or -ENOMEM. */
int admission_review(Manager *manager, const Admission *admission, const Loaded *loaded,
                     HostCheckList *missing);
