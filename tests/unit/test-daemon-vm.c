/* SPDX-License-Identifier: Apache-2.0 */
/* A CVM without a driver: states, what the guest says, its record. */
#include "test.h"

#include "base/json.h"
#include "base/text.h"
#include "directory.h"
#include "launch/gpu_access.h"
#include "launch/reserve.h"
#include "loop.h"
#include "manager/manager.h"
#include "program.h"
#include "vm/record.h"

#define ID "01234567-89ab-4def-8123-456789abcdef"

typedef struct Room {
        TestLoop test;
        char *path;
        Manager manager;
        Vm *vm;
} Room;

static int setup(void **state)
{
        Room *room = calloc(1, sizeof(*room));
        int fd;

        test_loop_init(&room->test);
        room->path = directory_make();
        fd = open(room->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        room->manager.home.loop = &room->test.loop;
        room->manager.home.records_fd = room->manager.home.vms_fd = room->manager.home.shares_fd =
                fd;
        assert_int_equal(events_new(&room->test.loop, fd, "boot", &room->manager.home.events), 0);
        room->manager.home.drivers.all = driver_all;
        room->manager.home.records = committer_new(&room->test.loop, fd);
        room->vm = vm_new(&room->manager.home, "web", ID, "plain", 1000, 1001);
        room->vm->ops = driver_find(driver_all, "qemu");
        room->vm->state = VM_RUNNING;
        *state = room;
        return 0;
}

static int teardown(void **state)
{
        Room *room = *state;

        vm_close(room->vm);
        vm_unref(room->vm);
        while (uv_run(&room->test.loop, UV_RUN_NOWAIT))
                ;
        committer_free(room->manager.home.records);
        events_free(room->manager.home.events);
        close(room->manager.home.records_fd);
        test_loop_finish(&room->test);
        directory_remove(&room->path);
        free(room);
        return 0;
}

static void say(Room *room, const char *text)
{
        vm_notify(room->vm, text, strlen(text));
}

static int64_t n_events(const Room *room)
{
        return events_next_sequence(room->manager.home.events) - 1;
}

static void test_names(void **state)
{
        VmState parsed;

        for (VmState i = 0; i < _VM_STATE_MAX; i++) {
                assert_int_equal(vm_state_parse(vm_state_name(i), &parsed), 0);
                assert_int_equal(parsed, i);
                assert_int_equal(vm_state_is_live(i), i != VM_STOPPED && i != VM_FAILED);
        }
        assert_int_equal(vm_state_parse("gone", &parsed), -EINVAL);
}

static void test_notify_in_pieces(void **state)
{
        Room *room = *state;

        say(room, "STAT");
        say(room, "US=boo");
        assert_null(room->vm->guest.status);
        say(room, "ting\nX=1\n\nREADY=0\nREADY=1 \nREADY=");
        assert_string_equal(room->vm->guest.status, "booting");
        assert_false(room->vm->guest.ready);
        say(room, "1\n");
        assert_true(room->vm->guest.ready);
        assert_int_equal(n_events(room), 2);
        say(room, "READY=1\n"); /* said once is enough */
        assert_int_equal(n_events(room), 2);
}

static void test_notify_noise(void **state)
{
        Room *room = *state;
        static char noise[70000];

        memset(noise, 'R', sizeof(noise));
        vm_notify(room->vm, noise, sizeof(noise));
        assert_true(room->vm->guest.notify.size <= 4096);
        say(room, "\nREADY=1\n");
        assert_true(room->vm->guest.ready);
        for (size_t i = 0; i < sizeof(noise); i++)
                noise[i] = (char)(i * 7);
        vm_notify(room->vm, noise, sizeof(noise));
        /* a zero byte ends what a line says, not what follows it */
        vm_notify(room->vm, "\nSTATUS=a\0b\nSTATUS=c\n", 22);
        assert_string_equal(room->vm->guest.status, "c");
}

/* A guest that does not run has nothing to say: what comes belongs to another. */
static void test_ready_before_it_runs(void **state)
{
        Room *room = *state;

        room->vm->state = VM_PREPARING;
        say(room, "READY=1\n");
        assert_false(room->vm->guest.ready || room->vm->guest.early_ready);
        room->vm->state = VM_STARTING;
        say(room, "READY=1\n");
        assert_false(room->vm->guest.ready);
        vm_set_state(room->vm, VM_RUNNING);
        assert_true(room->vm->guest.ready);
        vm_set_ending(room->vm, ENDING_STOPPED, NULL, NULL);
        vm_set_state(room->vm, VM_STOPPED);
        assert_false(room->vm->guest.ready);
        say(room, "READY=1\n");
        assert_false(room->vm->guest.ready);
}

/* At most VM_STATUS_MAX bytes, whole characters, whatever was said. */
static void test_status_is_cut(void **state)
{
        static const char *const units[] = {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x94\x92",
                                            "\xff"};
        Room *room = *state;

        for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
                _cleanup_(buffer_done) Buffer text = {};
                const char *status;

                assert_int_equal(buffer_append_text(&text, "STATUS=."), 0);
                for (unsigned n = 0; n < 600; n++)
                        assert_int_equal(buffer_append_text(&text, units[i]), 0);
                assert_int_equal(buffer_append_text(&text, "\n"), 0);
                say(room, text.data);
                status = room->vm->guest.status;
                assert_true(strlen(status) <= VM_STATUS_MAX);
                assert_true(strlen(status) > VM_STATUS_MAX - 4);
                assert_true(text_is_utf8(status, strlen(status)));
                /* a cut through a character leaves none of it, nor something in its place */
                if (i < 4)
                        assert_null(strstr(status, "\xef\xbf\xbd"));
        }
}

/* A guest that says much does not push the events of all others out. */
static void test_status_flood(void **state)
{
        Room *room = *state;

        for (unsigned i = 0; i < 10000; i++)
                say(room, i % 2 ? "STATUS=a\xff\n" : "STATUS=b\n");
        assert_int_equal(n_events(room), 1);
        assert_string_equal(room->vm->guest.status, "a\xef\xbf\xbd");
        say(room, "STATUS=last\n");
        test_loop_until(&room->test, n_events(room) == 2);
        assert_string_equal(
                json_member_string(
                        json_member(events_get(room->manager.home.events, 2)->json, "detail"),
                        "text"),
                "last");
        /* the same again is no news */
        for (unsigned i = 0; i < 3; i++)
                say(room, "STATUS=last\n");
        test_loop_for(&room->test, 1200);
        assert_int_equal(n_events(room), 2);
}

static json_object *parse(const char *text)
{
        json_object *object;

        assert_int_equal(json_parse(text, strlen(text), &object, NULL), 0);
        return object;
}

static json_object *vm_record(const Vm *vm, const char *boot_id)
{
        _cleanup_free_ char *text = record_text(vm, boot_id);

        assert_non_null(text);
        return parse(text);
}

static void test_record_round_trip(void **state)
{
        const SpecForward forward = {.address = (char *)"127.0.0.1",
                                     .host_port = 65535,
                                     .guest_port = 1,
                                     .protocol = SPEC_UDP};
        Room *room = *state;
        _cleanup_json_ json_object *first = NULL, *second = NULL;
        const DriverEnding ending = {.has_exit_code = true, .exit_code = 3};
        const char *reason;
        Vm *from = room->vm, *to;

        from->cpus = 512;
        from->memory = INT64_MAX;
        from->reserved.vsock_cid = UINT32_MAX - 1;
        from->debug = true;
        from->cause.kind = ENDING_STOPPED;
        from->start_sec = 1;
        from->ready_sec = 86400;
        from->powerdown_sec = 2;
        from->quit_sec = 3;
        from->guest.started_at = 5;
        from->boot.sha256[0] = strdup("00ff");
        assert_int_equal(vm_reserved_set_forwards(&from->reserved, &forward, 1), 0);
        from->spec = parse("{\"name\":\"web\"}");
        vm_set_ending(from, ENDING_QEMU_EXIT, "said \xff", &ending);
        first = vm_record(from, "boot");
        assert_int_equal(record_to_vm(&room->manager.home, first, &to, &reason), 0);
        to->ops = from->ops;
        second = vm_record(to, "boot");
        assert_string_equal(json_object_to_json_string(first), json_object_to_json_string(second));
        vm_close(to);
        vm_unref(to);
}

/* A good record but for one member. */
static void check_bad(Room *room, const char *member, const char *value)
{
        _cleanup_json_ json_object *record = vm_record(room->vm, "boot");
        const char *reason = NULL;
        Vm *vm = NULL;

        if (value)
                json_object_object_add(record, member, parse(value));
        else
                json_object_object_del(record, member);
        if (record_to_vm(&room->manager.home, record, &vm, &reason) != -EBADMSG)
                fail_msg("%s %s was taken", member, value ?: "missing");
        assert_non_null(reason);
        assert_null(vm);
}

static void test_bad_records(void **state)
{
        static const struct {
                const char *member, *value;
        } bad[] = {
                {"version", NULL},
                {"version", "0"},
                {"version", "\"1\""},
                {"name", NULL},
                {"name", "\"..\""},
                {"name", "\"a/b\""},
                {"name", "5"},
                {"id", NULL},
                {"id", "\"short\""},
                {"id", "\"01234567-89ab-4def-8123-456789abcde/\""},
                {"id", "\"....................................\""},
                {"id", "\"01234567-89AB-4DEF-8123-456789ABCDEF\""},
                {"id", "\"01234567089ab04def081230456789abcdef\""},
                {"disks", "{}"},
                {"disks", "[{\"device\":1}]"},
                {"disks", "[{\"device\":\"1\",\"inode\":2}]"},
                {"spec", "{\"gpus\":\"0000:41:00.0\"}"},
                {"spec", "{\"gpus\":[\"../41:00.0\"]}"},
                {"platform", NULL},
                {"driver", NULL},
                {"driver", "\"none\""},
                {"state", NULL},
                {"state", "\"gone\""},
                {"owner", NULL},
                {"owner", "-1"},
                {"owner", "4294967295"},
                {"owner", "4294967296"},
                {"ownerGroup", "4294967296"},
                {"cpus", "-1"},
                {"memory", "-1"},
                {"vsockCid", "4294967298"},
                {"forwards", NULL},
                {"forwards", "{}"},
                {"forwards", "[5]"},
                {"forwards", "[{\"address\":\"127.0.0.1\",\"protocol\":\"tcp\",\"hostPort\":65536,"
                             "\"guestPort\":1}]"},
                {"timeouts", "{\"startSec\":1,\"readySec\":1,\"powerdownSec\":0,\"quitSec\":1}"},
                {"timeouts", "{\"startSec\":1,\"readySec\":1,\"powerdownSec\":1,\"quitSec\":-1}"},
                {"timeouts",
                 "{\"startSec\":1,\"readySec\":86401,\"powerdownSec\":1,\"quitSec\":1}"},
        };
        Room *room = *state;

        room->vm->start_sec = room->vm->ready_sec = 1;
        room->vm->powerdown_sec = room->vm->quit_sec = 1;
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                check_bad(room, bad[i].member, bad[i].value);
}

/* What a live CVM has is no other's, also after its record was read again by a later daemon. */
static void test_gpus_are_held(void **state)
{
        static const char text[] = "{\"name\":\"web\",\"gpus\":[\"41:00.0\",\"42:00.0\"]}";
        _cleanup_json_ json_object *object = parse(text), *record = NULL;
        _cleanup_(spec_freep) CvmSpec *spec = NULL;
        _cleanup_(cvm_error_done) CvmError error = {}, again = {};
        const WirePeer peer = {.uid = 1000};
        const char *reason;
        Room *room = *state;
        Vm *other = vm_new(&room->manager.home, "other", ID, "plain", 1000, 1001), *read = NULL;
        Vm *vms[] = {room->vm};

        assert_int_equal(spec_parse(object, &spec, &error), 0);
        room->vm->start_sec = room->vm->ready_sec = 1;
        room->vm->powerdown_sec = room->vm->quit_sec = 1;
        room->vm->spec = json_object_get(spec->given);
        record = vm_record(room->vm, "boot");
        assert_int_equal(record_to_vm(&room->manager.home, record, &read, &reason), 0);
        read->state = VM_RUNNING;
        vms[0] = read;
        room->manager.home.table.vms = vms;
        room->manager.home.table.n = 1;

        assert_true(reserve_gpus(&room->manager, other, spec, &peer, &error) < 0);
        assert_string_equal(json_member_string(error.fields, "resource"), "gpu:0000:41:00.0");
        assert_string_equal(json_object_to_json_string(json_member(error.fields, "holders")),
                            "[ \"web\" ]");
        assert_int_equal(other->reserved.n_gpus, 0);
        read->state = VM_STOPPED;
        assert_int_equal(reserve_gpus(&room->manager, other, spec, &peer, &again), 0);
        assert_int_equal(other->reserved.n_gpus, 2);
        room->manager.home.table.n = 0;
        for (size_t i = 0; i < 2; i++) {
                Vm *vm = i ? read : other;

                vm_close(vm);
                vm_unref(vm);
        }
}

static void test_gpus_of_the_host(void **state)
{
        char *allowed[] = {(char *)"0000:41:00.0", (char *)"0000:42:00.0", NULL};
        _cleanup_free_ char *root = source_path("tests/host/gpus");
        const Config config = {.gpus = allowed};
        static const struct {
                const char *address, *missing;
        } devices[] = {{"0000:41:00.0", NULL},
                       {"0000:42:00.0", "gpu:0000:42:00.0"},
                       {"0000:45:00.0", "gpu"}};

        for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
                CvmSpec spec = {.gpus = {(char *)devices[i].address}, .n_gpus = 1};
                LaunchPlan *plan = calloc(1, sizeof(*plan));

                assert_int_equal(gpu_access_check(&config, root, &spec, plan), 0);
                assert_int_equal(plan->missing.n, devices[i].missing ? 1 : 0);
                if (devices[i].missing) {
                        assert_string_equal(plan->missing.items[0].name, devices[i].missing);
                        assert_null(plan->devices);
                } else {
                        assert_string_equal(plan->devices[0], "/dev/vfio/vfio");
                        assert_string_equal(plan->devices[1], "/dev/vfio/42");
                        assert_null(plan->devices[2]);
                }
                launch_plan_free(plan);
        }
}

#define room_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                room_test(test_names),
                room_test(test_notify_in_pieces),
                room_test(test_notify_noise),
                room_test(test_ready_before_it_runs),
                room_test(test_status_is_cut),
                room_test(test_status_flood),
                room_test(test_record_round_trip),
                room_test(test_bad_records),
                room_test(test_gpus_are_held),
                room_test(test_gpus_of_the_host),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
