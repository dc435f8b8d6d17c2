/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/holders.h"

json_object *holders_add(json_object *holders, const Manager *manager, const WirePeer *peer,
                         const Vm *vm)
{
        if (manager_may_see(manager, peer, vm->owner))
                json_object_array_add(holders, json_object_new_string(vm->name));
        return holders;
}

json_object *holders_of_live(const Manager *manager, const WirePeer *peer)
{
        json_object *holders = json_object_new_array();
        const Vm *vm;

        VM_TABLE_FOREACH_LIVE (vm, &manager->home.table)
                holders_add(holders, manager, peer, vm);
        return holders;
}

json_object *holders_of(const Manager *manager, const WirePeer *peer, const Vm *vm)
{
        return holders_add(json_object_new_array(), manager, peer, vm);
}
