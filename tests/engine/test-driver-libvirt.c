/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The libvirt driver against libvirt's own test driver (test:///default), which lives in this
 * process: domains without guests, which it cannot start held. The sockets that QEMU would make are
 * made here. A second connection stands for virsh.
 */
#include "../unit/test.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <sys/socket.h>

#include "../unit/directory.h"
#include "base/json.h"
#include "driver/libvirt/driver_libvirt.h"
#include "driver/qemu_sockets.h"

#define ID "b745af53-061b-4022-b541-f1e8c2d59f6f"
#define URI "test:///default"
#define WAIT_MSEC 20000

typedef struct Room {
        uv_loop_t loop;
        uv_timer_t alive; /* a loop of nothing but the link's handle would not run */
        char *directory;
        int dirfd, console, notify;
        DriverHome *home;
        DriverVm *vm;
        virConnectPtr virsh;
        unsigned n_created, n_done, n_ended;
        int result;
        char status[16], ending[32], log[256], heard[32];
} Room;

static void on_created(void *userdata)
{
        ((Room *)userdata)->n_created++;
}

static void on_status(RunState state, void *userdata)
{
        strncpy(((Room *)userdata)->status, run_state_name(state),
                sizeof(((Room *)userdata)->status) - 1);
}

static void on_bytes(const void *data, size_t size, void *userdata)
{
        Room *room = userdata;

        assert_true(size < sizeof(room->heard));
        memcpy(room->heard, data, size);
}

static unsigned on_console(const void *data, size_t size, void *userdata)
{
        on_bytes(data, size, userdata);
        return 0;
}

static void on_ended(const DriverEnding *ending, void *userdata)
{
        Room *room = userdata;

        room->n_ended++;
        strncpy(room->ending, ending_get(ending->kind)->name, sizeof(room->ending) - 1);
        strncpy(room->log, ending->log, sizeof(room->log) - 1);
        driver_libvirt.close(room->vm);
        room->vm = NULL;
}

static void on_leaving(EndingKind kind, void *userdata)
{
}

static const DriverCallbacks callbacks = {.created = on_created,
                                          .adopted = on_status,
                                          .status = on_status,
                                          .console = on_console,
                                          .notify = on_bytes,
                                          .leaving = on_leaving,
                                          .ended = on_ended};

static void on_done(int r, const char *error, void *userdata)
{
        Room *room = userdata;

        room->n_done++;
        room->result = r;
}

static uint64_t now_msec(void)
{
        return uv_hrtime() / 1000000;
}

#define until(room, expression)                                                                    \
        do {                                                                                       \
                uint64_t _end = now_msec() + WAIT_MSEC;                                            \
                while (!(expression)) {                                                            \
                        if (now_msec() > _end)                                                     \
                                fail_msg("waited in vain for: %s", #expression);                   \
                        uv_run(&(room)->loop, UV_RUN_NOWAIT);                                      \
                        usleep(1000);                                                              \
                }                                                                                  \
        } while (0)

static void on_alive(uv_timer_t *timer)
{
}

static void ignore_error(void *userdata, virErrorPtr error)
{
}

static void room_init(Room *room, const char *uri)
{
        const Config config = {.libvirt_uri = (char *)uri, .libvirt_user = (char *)"nobody"};

        *room = (Room){.directory = directory_make()};
        assert_int_equal(uv_loop_init(&room->loop), 0);
        uv_timer_init(&room->loop, &room->alive);
        uv_timer_start(&room->alive, on_alive, WAIT_MSEC, WAIT_MSEC);
        room->dirfd = open(room->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        room->console = qemu_socket_listen(room->dirfd, QEMU_SOCKET_CONSOLE);
        room->notify = qemu_socket_listen(room->dirfd, QEMU_SOCKET_NOTIFY);
        assert_true(room->console >= 0 && room->notify >= 0);
        assert_int_equal(driver_libvirt.home_new(&room->loop, &config, &room->home), 0);
        /* the driver registers libvirt's event loop before anybody connects */
        assert_int_equal(driver_libvirt.probe_begin(room->home), 0);
        driver_probe_free(driver_libvirt.probe(room->home, "qemu"));
        virSetErrorFunc(NULL, ignore_error);
        room->virsh = virConnectOpen(URI);
        assert_non_null(room->virsh);
}

static void room_done(Room *room)
{
        driver_libvirt.close(room->vm);
        driver_libvirt.home_close(room->home);
        uv_close((uv_handle_t *)&room->alive, NULL);
        uv_run(&room->loop, UV_RUN_DEFAULT);
        for (int i = 0; i < 10 && uv_loop_close(&room->loop) < 0; i++)
                uv_run(&room->loop, UV_RUN_NOWAIT);
        /* a worker that comes late finds the home there, and has its answer at once */
        driver_probe_free(driver_libvirt.probe(room->home, "/another/qemu"));
        driver_libvirt.home_free(room->home);
        virConnectClose(room->virsh);
        close(room->console);
        close(room->notify);
        close(room->dirfd);
        directory_remove(&room->directory);
}

static void start(Room *room, const char *xml)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        const LaunchPlan plan = {.domain = (char *)xml};
        const DriverStart start = {.id = ID, .plan = &plan, .runtime_dirfd = room->dirfd};

        assert_int_equal(
                driver_libvirt.start(room->home, &start, &callbacks, room, &room->vm, &error), 0);
}

#define DOMAIN                                                                                     \
        "<domain type='test'><name>web</name><uuid>" ID "</uuid><memory unit='MiB'>64</memory>"    \
        "<os><type>hvm</type></os></domain>"

static virDomainPtr domain(Room *room)
{
        virDomainPtr found = virDomainLookupByUUIDString(room->virsh, ID);

        assert_non_null(found);
        return found;
}

/* A guest that is held. The test driver cannot start one held: it is made elsewhere, and found. */
static void create(Room *room)
{
        virDomainPtr made = virDomainCreateXML(room->virsh, DOMAIN, 0);

        assert_non_null(made);
        assert_int_equal(virDomainSuspend(made), 0);
        virDomainFree(made);
        assert_int_equal(driver_libvirt.adopt(room->home, ID, NULL, room->dirfd, &callbacks, room,
                                              &room->vm),
                         0);
        until(room, strcmp(room->status, "paused") == 0);
        *room->status = 0;
}

static void resume(Room *room)
{
        unsigned before = room->n_done;

        assert_int_equal(driver_libvirt.resume(room->vm, on_done, room), 0);
        until(room, room->n_done > before);
        assert_int_equal(room->result, 0);
}

static void test_life(void **state)
{
        _cleanup_(room_done) Room room;
        virDomainPtr d;
        int status, reason;

        room_init(&room, URI);
        create(&room);
        d = domain(&room);
        assert_int_equal(virDomainGetState(d, &status, &reason, 0), 0);
        assert_int_equal(status, VIR_DOMAIN_PAUSED);
        resume(&room);
        assert_int_equal(virDomainGetState(d, &status, &reason, 0), 0);
        assert_int_equal(status, VIR_DOMAIN_RUNNING);
        assert_int_equal(driver_libvirt.pause(room.vm, on_done, &room), 0);
        until(&room, room.n_done == 2);
        assert_int_equal(virDomainGetState(d, &status, &reason, 0), 0);
        assert_int_equal(status, VIR_DOMAIN_PAUSED);
        /* its own doings are no news */
        assert_string_equal(room.status, "");
        driver_libvirt.kill(room.vm);
        until(&room, room.n_ended == 1);
        assert_null(virDomainLookupByUUIDString(room.virsh, ID));
        virDomainFree(d);
}

static void test_console_goes_both_ways(void **state)
{
        _cleanup_(room_done) Room room;
        char bytes[8] = {};
        int fd;

        room_init(&room, URI);
        create(&room);
        fd = accept4(room.console, NULL, NULL, SOCK_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "boot", 4), 4);
        until(&room, strcmp(room.heard, "boot") == 0);
        assert_int_equal(driver_libvirt.console_write(room.vm, "ls\n", 3), 3);
        assert_int_equal(read(fd, bytes, sizeof(bytes)), 3);
        assert_string_equal(bytes, "ls\n");
        close(fd);
        driver_libvirt.kill(room.vm);
        until(&room, room.n_ended == 1);
}

static void test_what_virsh_does(void **state)
{
        _cleanup_(room_done) Room room;
        virDomainPtr d;

        room_init(&room, URI);
        create(&room);
        resume(&room);
        d = domain(&room);
        assert_int_equal(virDomainSuspend(d), 0);
        until(&room, strcmp(room.status, "paused") == 0);
        assert_int_equal(virDomainResume(d), 0);
        until(&room, strcmp(room.status, "running") == 0);
        assert_int_equal(virDomainDestroy(d), 0);
        until(&room, room.n_ended == 1);
        assert_string_equal(room.ending, "stopped");
        assert_non_null(strstr(room.log, "through libvirt"));
        virDomainFree(d);
}

static void test_shutdown_is_a_power_off(void **state)
{
        _cleanup_(room_done) Room room;

        room_init(&room, URI);
        create(&room);
        resume(&room);
        driver_libvirt.powerdown(room.vm);
        until(&room, room.n_ended == 1);
        assert_string_equal(room.ending, "power-off");
}

static void test_adoption_of_what_is_gone(void **state)
{
        _cleanup_(room_done) Room room;

        room_init(&room, URI);
        assert_int_equal(
                driver_libvirt.adopt(room.home, ID, NULL, room.dirfd, &callbacks, &room, &room.vm),
                0);
        until(&room, room.n_ended == 1);
        assert_string_equal(room.ending, "lost");
}

/* The way of a launch that a daemon's death cut short: nobody stays to hear how it ended. */
static void test_condemned_is_destroyed(void **state)
{
        _cleanup_(room_done) Room room;
        virDomainPtr d = NULL;

        room_init(&room, URI);
        create(&room);
        driver_libvirt.kill(room.vm);
        driver_libvirt.close(room.vm);
        room.vm = NULL;
        for (uint64_t end = now_msec() + WAIT_MSEC; now_msec() < end;) {
                uv_run(&room.loop, UV_RUN_NOWAIT);
                d = virDomainLookupByUUIDString(room.virsh, ID);
                if (!d)
                        break;
                virDomainFree(d);
        }
        assert_null(d);
        assert_int_equal(room.n_ended, 0);
}

static void test_what_it_refuses(void **state)
{
        _cleanup_(room_done) Room room;

        room_init(&room, URI);
        start(&room, "<domain type='test'><name>web</name></domain>");
        driver_libvirt.go(room.vm);
        until(&room, room.n_ended == 1);
        assert_string_equal(room.ending, "qemu-exit");
        assert_true(*room.log);
        /* killed before it went */
        start(&room, DOMAIN);
        driver_libvirt.kill(room.vm);
        until(&room, room.n_ended == 2);
        assert_int_equal(room.n_created, 0);
}

static void test_no_libvirt(void **state)
{
        _cleanup_(template_set_freep) TemplateSet *set = NULL;
        _cleanup_(host_check_list_done) HostCheckList missing = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(room_done) Room room;
        DriverProbe *probe;

        room_init(&room, "test:///nothing/of/that/name");
        start(&room, DOMAIN);
        driver_libvirt.go(room.vm);
        until(&room, room.n_ended == 1);
        assert_true(*room.log);
        probe = driver_libvirt.probe(room.home, "qemu");
        assert_non_null(probe);
        assert_int_equal(template_set_load(NULL, &set, &error), 0);
        assert_int_equal(driver_libvirt.check(room.home, probe, set,
                                              template_set_find(set, "plain"), &missing),
                         0);
        driver_probe_free(probe);
        assert_int_equal(missing.n, 1);
        assert_string_equal(missing.items[0].name, "libvirt");
        assert_string_equal(missing.items[0].needed, "libvirt at test:///nothing/of/that/name");
        assert_true(*missing.items[0].found);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_life),
                cmocka_unit_test(test_console_goes_both_ways),
                cmocka_unit_test(test_what_virsh_does),
                cmocka_unit_test(test_shutdown_is_a_power_off),
                cmocka_unit_test(test_adoption_of_what_is_gone),
                cmocka_unit_test(test_condemned_is_destroyed),
                cmocka_unit_test(test_what_it_refuses),
                cmocka_unit_test(test_no_libvirt),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
