/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The CVMs that have what a launch requires: the names in NoResources, only of CVMs that the peer
 * may see. */

#include "manager/manager.h"

/* Adds the CVM's name if the peer may know of it; returns holders. */
json_object *holders_add(json_object *holders, const Manager *manager, const WirePeer *peer,
                         const Vm *vm);
/* Of all CVMs that have not ended. */
json_object *holders_of_live(const Manager *manager, const WirePeer *peer);
/* Of one CVM. */
json_object *holders_of(const Manager *manager, const WirePeer *peer, const Vm *vm);
